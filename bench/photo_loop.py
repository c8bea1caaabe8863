"""What an image costs that is decoded and classified in a bare loop, on one thread.

    python -m bench.photo_loop <folder of bench.photo_material> <size> <seconds>

Prints the microseconds of processor time.
"""

import base64
import json
import sys
import time
from itertools import cycle
from pathlib import Path

from images.decoding import examine
from models.store import Store


def main() -> None:
    folder, size, seconds = Path(sys.argv[1]), sys.argv[2], float(sys.argv[3])
    (version,) = [
        version
        for version in Store(folder / "home" / "models").champions()
        if version.name == "clf"
    ]
    runtime, spec = version.artifact.open(), version.manifest.image_spec
    texts = [text for text, _ in json.loads((folder / f"{size}.json").read_bytes())]
    images = cycle([base64.b64decode(text) for text in texts])

    def classify(image: bytes) -> None:
        runtime.run(spec.features(examine(image, 10**9).pixels(spec)[None]))

    # On one thread, with what ONNX Runtime itself would use: its session has one.
    classify(next(images))
    count, started, ends = 0, time.process_time(), time.monotonic() + seconds
    while time.monotonic() < ends or not count:
        classify(next(images))
        count += 1
    print(json.dumps((time.process_time() - started) / count * 1e6))


if __name__ == "__main__":
    main()
