"""``python -m score`` against the loop one writes first: read a file, decode it, ask for one label.

    python bench/score.py [--images 20000] [--side 8] [--format PNG] [--rounds 3] [--json]

Both use Pupila's decoder and runtime, in one process, on a folder of noise and a logistic
regression of digits. The loop writes nothing; scoring writes its parts and the Parquet file. They
take turns; the figures are medians of images per second, and the ratio is what counts.
"""

import argparse
import io
import json
import os
import statistics
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
from PIL import Image

from images.decoding import read_pixels
from models.store import Store
from models.version import Version
from score.run import Options, score
from tests.drafts import LinearDraft


@dataclass(frozen=True)
class Figures:
    """Images per second, and scoring's over the loop's."""

    images: int
    side: int
    format: str
    processors: int
    loop: float
    score: float
    ratio: float


def draw(folder: Path, images: int, side: int, kind: str) -> None:
    """Noise, a thousand files to a folder."""
    rng = np.random.default_rng(0)
    for number in range(images):
        thousand = folder / f"{number // 1000:04d}"
        thousand.mkdir(exist_ok=True)
        buffer = io.BytesIO()
        Image.fromarray(rng.integers(0, 256, (side, side), np.uint8)).save(buffer, kind)
        (thousand / f"{number:07d}.{kind.lower()}").write_bytes(buffer.getvalue())


def loop(folder: Path, version: Version) -> list[object]:
    """The labels, one image after the other."""
    runtime = version.artifact.open()
    spec, labels = version.manifest.image_spec, version.manifest.labels
    found: list[object] = []
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            pixels = read_pixels(path.read_bytes(), spec)
            found.append(labels[int(runtime.run(spec.features(pixels)[None]).indices[0])])
    return found


def measure(images: int, side: int, kind: str, rounds: int) -> Figures:
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        folder = home / "images"
        folder.mkdir()
        draw(folder, images, side, kind)
        store = Store(home / "models")
        version = store.save(LinearDraft())
        options = Options(folder, home / "results.parquet", overwrite=True)
        slow: list[float] = []
        fast: list[float] = []
        for _ in range(rounds):
            start = time.perf_counter()
            loop(folder, version)
            slow.append(images / (time.perf_counter() - start))
            start = time.perf_counter()
            score(options, store)
            fast.append(images / (time.perf_counter() - start))
    looped, scored = statistics.median(slow), statistics.median(fast)
    return Figures(images, side, kind, os.cpu_count() or 1, looped, scored, scored / looped)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--images", type=int, default=20_000)
    parser.add_argument("--side", type=int, default=8, help="of the images, in pixels")
    parser.add_argument("--format", default="PNG", choices=("PNG", "JPEG", "WEBP"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a line")
    arguments = parser.parse_args()
    found = measure(arguments.images, arguments.side, arguments.format, arguments.rounds)
    if arguments.json:
        print(json.dumps(asdict(found)))
        return
    print(
        f"{found.images:,} {found.format}s of {found.side}x{found.side} on {found.processors} "
        f"processors: loop {found.loop:,.0f} images/s, score {found.score:,.0f} images/s, "
        f"{found.ratio:.2f}x"
    )


if __name__ == "__main__":
    main()
