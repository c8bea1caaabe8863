"""Real photos for ``bench.photos``, from two Debian packages that are fetched by name.

Their pictures are sorted into everyday classes by folder: cut-outs of photographed things on white,
which is easier than life, so a second set has each of them on a photo of nature, at a random place,
size and light. Nothing of them is kept here: both packages are under the GPL-2 or later, but for
what their files ``copyright`` say.
"""

import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

import click
import numpy as np
from PIL import Image, ImageEnhance

STAMPS: Final = "tuxpaint-stamps-default"
BACKGROUNDS: Final = "mate-backgrounds"

# By the beginning of their path below usr/share/tuxpaint/stamps.
_CLASSES: Final = {
    "animals": "animals",
    "food": "food",
    "plants": "plants",
    "vehicles": "vehicles",
    "military/vehicles": "vehicles",
    "household": "things",
    "clothes": "things",
    "hobbies": "things",
    "sports": "things",
    "medical": "things",
}
# Drawings, mirrored copies, and one folder of plastic flowers, which are in two classes.
_LEFT_OUT: Final = ("cartoon", "_mirror.", "plastic")
_SIDE: Final = 480

in_folder = click.option(
    "--folder",
    default=Path(tempfile.gettempdir()) / "pupila-bench-photos",
    type=click.Path(path_type=Path),
    help="Where the packages and both sets are kept.",
)


def photo_sets(folder: Path) -> dict[str, Path]:
    """The folders of both sets, made in ``folder`` unless they are there; needs apt and dpkg."""
    plain, composed = folder / "white", folder / "composed"
    if not composed.exists():
        stamps = _unpacked(STAMPS, folder) / "usr/share/tuxpaint/stamps"
        nature = _unpacked(BACKGROUNDS, folder) / "usr/share/backgrounds/mate/nature"
        _sort(stamps, plain)
        _compose(plain, sorted(nature.glob("*.jpg")), composed)
    return {"on white": plain, "on photos": composed}


def _unpacked(package: str, folder: Path) -> Path:
    target = folder / package
    if not target.exists():
        folder.mkdir(parents=True, exist_ok=True)
        click.echo(f"Fetching {package} ...", err=True)
        subprocess.run(["apt-get", "download", "-q", package], cwd=folder, check=True)
        (archive,) = folder.glob(f"{package}_*.deb")
        subprocess.run(["dpkg-deb", "-x", archive, target], check=True)
    return target


def _sort(stamps: Path, target: Path) -> None:
    shutil.rmtree(target, ignore_errors=True)
    for path in sorted([*stamps.rglob("*.png"), *stamps.rglob("*.jpg")]):
        name = path.relative_to(stamps).as_posix()
        label = next((label for start, label in _CLASSES.items() if name.startswith(start)), None)
        if label is None or any(part in name for part in _LEFT_OUT):
            continue
        (target / label).mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target / label / name.replace("/", "-"))


def _compose(plain: Path, backgrounds: list[Path], target: Path) -> None:
    """Each cut-out on a part of a photo, by a seed of its own, so that it does not depend on which
    others there are."""
    photos = [Image.open(path).convert("RGB") for path in backgrounds]
    draft = target.with_name("composing")
    shutil.rmtree(draft, ignore_errors=True)
    for number, path in enumerate(sorted(plain.rglob("*.*"))):
        random = np.random.default_rng([15, number])
        photo = photos[random.integers(len(photos))]
        side = int(min(photo.size) * random.uniform(0.35, 0.9))
        left, top = (int(random.integers(0, size - side + 1)) for size in photo.size)
        scene = photo.crop((left, top, left + side, top + side)).resize((_SIDE, _SIDE))
        thing = Image.open(path).convert("RGBA")
        scale = _SIDE * random.uniform(0.45, 0.85) / max(thing.size)
        thing = thing.resize([max(1, round(size * scale)) for size in thing.size])
        thing = thing.rotate(random.uniform(-15, 15), Image.Resampling.BILINEAR, expand=True)
        place = [int(random.integers(0, max(1, _SIDE - size))) for size in thing.size]
        scene.paste(thing, (place[0], place[1]), thing)
        scene = ImageEnhance.Brightness(scene).enhance(float(random.uniform(0.7, 1.2)))
        (draft / path.parent.name).mkdir(parents=True, exist_ok=True)
        scene.save(draft / path.parent.name / f"{path.stem}.jpg", quality=88)
    draft.rename(target)
