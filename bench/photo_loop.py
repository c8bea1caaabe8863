"""What an image costs that is decoded and classified in a bare loop, on one thread.

    python -m bench.photo_loop <folder of bench.photo_material> <size> <seconds>

Prints the microseconds of processor time.
"""

import base64
import json
import sys
import time
from collections.abc import Callable
from itertools import cycle
from pathlib import Path

from images.decoding import examine
from models.store import Store


def classifier(folder: Path) -> Callable[[bytes], object]:
    """The label of an image, by the model of that folder."""
    versions = Store(folder / "home" / "models").champions()
    (version,) = [one for one in versions if one.name == "clf"]
    runtime, spec = version.artifact.open(), version.manifest.image_spec

    def classify(image: bytes) -> object:
        outcome = runtime.run(spec.features(examine(image, 10**9).pixels(spec)[None]))
        return version.manifest.labels[int(outcome.indices[0])]

    return classify


def main() -> None:
    folder, size, seconds = Path(sys.argv[1]), sys.argv[2], float(sys.argv[3])
    classify = classifier(folder)
    texts = [text for text, _ in json.loads((folder / f"{size}.json").read_bytes())]
    images = cycle([base64.b64decode(text) for text in texts])

    # On one thread, with what ONNX Runtime itself would use: its session has one.
    classify(next(images))
    count, started, ends = 0, time.process_time(), time.monotonic() + seconds
    while time.monotonic() < ends or not count:
        classify(next(images))
        count += 1
    print(json.dumps((time.process_time() - started) / count * 1e6))


if __name__ == "__main__":
    main()
