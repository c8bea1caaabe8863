"""Which photos are told to be of the same scene: ``python -m bench.photo_scenes``.

Writes ``bench/photo_scenes.md``. Needs ``scripts/install photos``, and apt for the pictures.
"""

import io
import random
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance

from bench.machine import heading
from bench.photo_sets import in_folder, photo_sets
from bench.process import ROOT
from bench.table import markdown
from images.decoding import read_pixels
from images.spec import ImageSpec
from models.extractor import Extractor
from models.offline.bringing_extractor import bring_default
from models.offline.embeddings import embeddings_of
from models.offline.likeness import Likeness
from models.offline.photo_likeness import FAR, SHARE, directions, scene_limit
from models.store import Store
from train.folder import load_folder

SHARES: Final = (0.1, SHARE, 0.2)
ZOOM: Final = 0.9

EXPLAINED = f"""
Each of the composed photos of `bench/photos.md` is cropped to {ZOOM:.0%}, and once more as the next
photo of a burst would be: the camera moved by a share of the margin, turned, came nearer, and the
light changed. *found*: how many are told to be of the same scene as the first, by thumbnails of 8x8
pixels, by embeddings up to a share of the distance of photos that are far apart (the quantile at
{FAR:g}), and by either with the share that is used, {SHARE:g}. *Different things*: photos of one
thing each, of which none is another's, though two shirts may look alike.
"""


@dataclass(frozen=True)
class Move:
    """The most of each: ``shift``, as a share of the margin; ``turn``, in degrees; ``light``, as a
    share; ``zoom``: of the sides, what is left."""

    shift: float = 0.0
    turn: float = 0.0
    light: float = 0.0
    zoom: float = ZOOM
    quality: int = 90


MOVES: Final[Mapping[str, Move]] = {
    "saved again, as JPEG at quality 50": Move(quality=50),
    "moved by 30 % of the margin, turned by 0.5°": Move(0.3, 0.5, 0.03),
    "moved by 70 %, turned by 2°, 2 % nearer": Move(0.7, 2, 0.06, 0.88),
    "moved by 100 %, turned by 4°, 6 % nearer": Move(1, 4, 0.12, 0.85),
}


def taken(photo: Image.Image, move: Move, rng: random.Random) -> bytes:
    """The photo as it is seen after such a move, a JPEG."""

    def some(most: float) -> float:
        return rng.uniform(-most, most)

    turned = photo.rotate(some(move.turn), Image.Resampling.BILINEAR)
    sides = [round(side * move.zoom) for side in photo.size]
    margins = [side - left for side, left in zip(photo.size, sides, strict=True)]
    left, top = (round(margin * (1 + some(move.shift)) / 2) for margin in margins)
    part = turned.crop((left, top, left + sides[0], top + sides[1]))
    buffer = io.BytesIO()
    lit = ImageEnhance.Brightness(part).enhance(1 + some(move.light))
    lit.save(buffer, "JPEG", quality=move.quality)
    return buffer.getvalue()


def frames(photos: list[Image.Image], move: Move, spec: ImageSpec) -> NDArray[np.uint8]:
    rng = random.Random(0)
    return np.stack([read_pixels(taken(photo, move, rng), spec) for photo in photos])


def bursts(folder: Path, extractor: Extractor) -> list[list[str]]:
    """How many are found, for each move."""
    spec = extractor.manifest.image_spec
    photos = [Image.open(path).convert("RGB") for path in sorted(folder.rglob("*.jpg"))]
    first = frames(photos, Move(), spec)
    units, likeness = directions(embeddings_of(first, extractor)), Likeness.of(first, spec)
    far = scene_limit(units) / SHARE
    rows = []
    for name, move in MOVES.items():
        click.echo(f"{name} ...", err=True)
        then = frames(photos, move, spec)
        pairs = zip(then, first, strict=True)
        small = np.array([likeness.among(one[None], other[None])[0] for one, other in pairs])
        distances = 1 - (directions(embeddings_of(then, extractor)) * units).sum(axis=1)
        near = [distances <= share * far for share in SHARES]
        found = [small, *near, small | near[SHARES.index(SHARE)]]
        rows.append([name, *(f"{one.mean():.1%}" for one in found)])
    return rows


def different(folder: Path, extractor: Extractor) -> list[str]:
    """How many are told to be of the same scene as another."""
    data = load_folder(folder, extractor.manifest.image_spec)
    units = directions(embeddings_of(data.pixels, extractor))
    distances = 1 - units @ units.T
    np.fill_diagonal(distances, np.inf)
    likeness = Likeness.of(data.pixels, data.spec)
    everything = np.arange(len(data))
    small = np.array(
        [
            likeness.among(data.pixels[[row]], data.pixels[everything != row])[0]
            for row in everything
        ]
    )
    far = scene_limit(units) / SHARE
    near = [(distances <= share * far).any(axis=1) for share in SHARES]
    found = [small, *near, small | near[SHARES.index(SHARE)]]
    return [f"{one.sum()} of {len(data)}" for one in found]


@click.command()
@in_folder
@click.option(
    "--output", default=ROOT / "bench" / "photo_scenes.md", type=click.Path(path_type=Path)
)
def main(folder: Path, output: Path) -> None:
    """Take all measurements, which need a minute of CPU."""
    sets = photo_sets(folder)
    with tempfile.TemporaryDirectory() as home:
        extractor = bring_default(Store(Path(home) / "models")).extractor
        rows = bursts(sets["on photos"], extractor)
        for name, path in sets.items():
            rows.append([f"different things, {name}", *different(path, extractor)])
    shares = [f"embeddings, {share:g}" for share in SHARES]
    text = [
        heading("Photos of the same scene", ["python -m bench.photo_scenes", *sys.argv[1:]]),
        EXPLAINED,
        markdown(("the next photo", "thumbnails", *shares, "either"), rows),
    ]
    output.write_text("\n".join(text).rstrip() + "\n", encoding="utf-8")
    click.echo(f"Wrote {output}.")


if __name__ == "__main__":
    main()
