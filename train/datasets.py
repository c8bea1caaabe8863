"""Labelled images as arrays: scikit-learn's digits, or a folder with one sub-folder per class."""

import hashlib
import io
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from stat import S_ISREG

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from errors import DatasetError, ImageError
from images.decoding import examine, image_size, read_pixels
from images.spec import ImageSpec
from models.manifest import Label

OnProgress = Callable[[int, int], None]
"""Called with (done, total)."""

MAX_FILE_BYTES = 64 * 2**20
MAX_PIXEL_BYTES = 2 * 2**30

_DIGIT_INK = 16
_CHUNK = 512

_SAMPLED = 256
_SMALLEST_SIDE, _LARGEST_SIDE = 8, 64
_COLOUR_DIFFERENCE = 16


@dataclass(frozen=True)
class Skipped:
    """A file that is not in the dataset, and why."""

    path: str
    reason: str


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images and their labels, in a fixed order.

    ``pixels``: uint8 [N, n_features], row by row, channels last; ``targets``: int64 or str [N];
    ``sizes``: int64 [N, 2], the width and height that each file declares, where they are known.
    """

    pixels: NDArray[np.uint8]
    targets: NDArray[np.int64] | NDArray[np.str_]
    name: str
    spec: ImageSpec
    skipped: tuple[Skipped, ...] = ()
    sizes: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.targets)

    @cached_property
    def labels(self) -> tuple[Label, ...]:
        """The distinct labels, in the order of scikit-learn's ``classes_``."""
        return tuple(np.unique(self.targets).tolist())

    @cached_property
    def indices(self) -> NDArray[np.int64]:
        """int64 [N]: each target's place in ``labels``."""
        return np.unique(self.targets, return_inverse=True)[1].astype(np.int64)

    @cached_property
    def counts(self) -> dict[str, int]:
        """Images of each label."""
        found = np.bincount(self.indices, minlength=len(self.labels)).tolist()
        return {str(label): count for label, count in zip(self.labels, found, strict=True)}

    @cached_property
    def sha256(self) -> str:
        """Over the shape, the pixels and the labels, in order."""
        digest = hashlib.sha256(f"{self.pixels.shape} {self.targets.dtype.kind}\n".encode())
        digest.update(np.ascontiguousarray(self.pixels).data)
        digest.update("\0".join(map(str, self.targets.tolist())).encode())
        return digest.hexdigest()

    def features(self) -> NDArray[np.float32]:
        """float32 [N, n_features], as serving will make them."""
        return self.spec.features(self.pixels)

    def take(self, rows: NDArray[np.int64]) -> "Dataset":
        """The given rows alone."""
        sizes = None if self.sizes is None else self.sizes[rows]
        return Dataset(self.pixels[rows], self.targets[rows], self.name, self.spec, sizes=sizes)


@dataclass(frozen=True)
class Split:
    """Two parts without a common image, every class in both."""

    train: Dataset
    holdout: Dataset


def split(dataset: Dataset, holdout: float, seed: int) -> Split:
    """Hold a share of each class out; the same seed holds out the same images.

    scikit-learn's stratified split drops a rare class from the smaller part, so the share is
    rounded here class by class, to at least one image on each side. Raises DatasetError for a
    share outside 0 < holdout < 1, or a class with a single image.
    """
    if not 0 < holdout < 1:
        raise DatasetError(
            f"The holdout must be a share between 0 and 1, such as 0.2, not {holdout}."
        )
    rng = np.random.default_rng(seed)
    held = np.zeros(len(dataset), dtype=bool)
    for place, label in enumerate(dataset.labels):
        members = rng.permutation(np.flatnonzero(dataset.indices == place))
        if len(members) < 2:
            raise DatasetError(
                f"Class {label!r} of {dataset.name} has a single image, and needs two at least: "
                "one to train on and one to hold out."
            )
        held[members[: min(max(round(holdout * len(members)), 1), len(members) - 1)]] = True
    return Split(
        train=dataset.take(np.flatnonzero(~held)), holdout=dataset.take(np.flatnonzero(held))
    )


def load_digits(spec: ImageSpec, on_progress: OnProgress | None = None) -> Dataset:
    """scikit-learn's 1,797 handwritten digits, each drawn as a PNG and read as serving reads it.

    With the spec ``digits`` the features are the original ink values, 0 to 16.
    """
    from sklearn import datasets

    digits = datasets.load_digits()
    pictures = np.rint(digits.images / _DIGIT_INK * 255).astype(np.uint8)
    pixels = np.empty((len(pictures), spec.n_features), dtype=np.uint8)
    for row, picture in enumerate(pictures):
        pixels[row] = read_pixels(_png(picture), spec)
        if on_progress:
            on_progress(row + 1, len(pictures))
    height, width = digits.images.shape[1:]
    sizes = np.tile(np.array([width, height], dtype=np.int64), (len(pictures), 1))
    return Dataset(pixels, digits.target.astype(np.int64), "digits", spec, sizes=sizes)


def load_folder(
    path: Path, spec: ImageSpec | None = None, on_progress: OnProgress | None = None
) -> Dataset:
    """The images in a folder, whose sub-folders are the classes and give the labels.

    Files are sought through all levels below a class folder. Hidden files and folders are
    ignored; every other file that is not a readable image is in ``skipped``. A class folder may
    be a link, but links to folders further down are not followed, so none can lead in a circle.
    Without ``spec``, ``choose_spec`` chooses one. The order is that of the names, whatever the
    file system's.

    Raises DatasetError, naming the folder, if there is no such folder, fewer than two classes, or
    a class with fewer than two readable images; or if all pixels would take more than 2 GiB.
    """
    skipped: list[Skipped] = []
    classes = _class_files(path, skipped)
    files = [file for found in classes.values() for file in found]
    if spec is None:
        spec = choose_spec(files)
    if len(files) * spec.n_features > MAX_PIXEL_BYTES:
        raise DatasetError(
            f"The {len(files):,} images in {path} would take "
            f"{len(files) * spec.n_features / 2**30:.1f} GiB as {spec.name}, more than "
            f"{MAX_PIXEL_BYTES / 2**30:.0f} GiB, so name a smaller image spec."
        )
    pixels = np.empty((len(files), spec.n_features), dtype=np.uint8)
    sizes = np.zeros((len(files), 2), dtype=np.int64)
    reasons = _read_all(files, spec, pixels, sizes, on_progress or (lambda _done, _total: None))
    for file, reason in zip(files, reasons, strict=True):
        if reason is not None:
            skipped.append(Skipped(_shown(file), reason))
    good = np.array([reason is None for reason in reasons], dtype=bool)
    targets = np.repeat(np.array(list(classes)), [len(found) for found in classes.values()])[good]
    for label in classes:
        images = int((targets == label).sum())
        if images < 2:
            some = "no readable image" if images == 0 else "a single readable image"
            raise DatasetError(
                f"The class folder {_shown(path / label)} has {some}, and needs two at least."
            )
    if not good.all():
        pixels, sizes = pixels[good], sizes[good]
    return Dataset(pixels, targets, _shown(Path(path.resolve().name)), spec, tuple(skipped), sizes)


def choose_spec(files: Sequence[Path]) -> ImageSpec:
    """The spec ``auto``: square, of a side and mode that suit up to 256 of the images.

    The side is the median of the images' shorter sides, but not below 8 nor above 64: enlarging
    adds nothing, and a classifier of pixels gains little from more. The mode is RGB if in any image
    the channels of a pixel differ by more than 16 of 255 once it is shrunk to that side (JPEG
    alone makes gray pixels differ by a few), else gray. Without a readable image: rgb-64x64.
    """
    places = np.unique(np.linspace(0, len(files) - 1, min(_SAMPLED, len(files))).astype(int))
    sample = [files[place] for place in places]
    with ThreadPoolExecutor() as pool:
        sides = [side for side in pool.map(_shorter_side, sample) if side is not None]
        side = int(np.clip(np.median(sides), _SMALLEST_SIDE, _LARGEST_SIDE)) if sides else 64
        colour = ImageSpec(mode="RGB", width=side, height=side)
        if not sides or any(pool.map(lambda file: _has_colour(file, colour), sample)):
            return colour
    return ImageSpec(mode="L", width=side, height=side)


def _class_files(path: Path, skipped: list[Skipped]) -> dict[str, list[Path]]:
    """Every file that is not hidden, by class, both in the order of their names."""
    try:
        entries = sorted(entry for entry in path.iterdir() if not entry.name.startswith("."))
    except OSError as error:
        raise DatasetError(
            f"The data folder {_shown(path)} cannot be read: {error.strerror}."
        ) from error
    home = path.resolve()
    classes: dict[str, list[Path]] = {}
    for entry in entries:
        if not entry.is_dir():
            skipped.append(Skipped(_shown(entry), "not in a class folder"))
        elif home.is_relative_to(entry.resolve()):
            skipped.append(Skipped(_shown(entry), "a link to a folder that holds this one"))
        elif entry.name != _shown(Path(entry.name)):
            raise DatasetError(
                f"The name of the class folder {_shown(entry)} is not UTF-8, and a label must be."
            )
        else:
            classes[entry.name] = _files_below(entry, skipped)
    if len(classes) < 2:
        found = (
            f"only the class folder {next(iter(classes))}"
            if classes
            else "files but no class folders"
            if entries
            else "nothing"
        )
        raise DatasetError(
            f"The data folder {_shown(path)} holds {found}, and needs two sub-folders at least, "
            "one for each class, with its images inside."
        )
    return classes


def _files_below(folder: Path, skipped: list[Skipped]) -> list[Path]:
    def cannot_read(error: OSError) -> None:
        skipped.append(Skipped(_shown(Path(error.filename)), f"cannot be read: {error.strerror}"))

    files: list[Path] = []
    for parent, folders, names in os.walk(folder, onerror=cannot_read):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        skipped += [
            Skipped(_shown(Path(parent, name)), "a link to a folder, not followed")
            for name in folders
            if Path(parent, name).is_symlink()
        ]
        files += [Path(parent, name) for name in names if not name.startswith(".")]
    return sorted(files)


def _read_all(
    files: Sequence[Path],
    spec: ImageSpec,
    pixels: NDArray[np.uint8],
    sizes: NDArray[np.int64],
    on_progress: OnProgress,
) -> list[str | None]:
    """Fill ``pixels`` and ``sizes`` row by row; why each file has none, or None.

    Pillow decodes without the GIL. Files are handed out a chunk at a time, so that neither their
    bytes nor the pool's bookkeeping grow with their number.
    """

    def read(place: int) -> str | None:
        try:
            encoded = examine(_content(files[place]))
            pixels[place] = encoded.pixels(spec)
            sizes[place] = encoded.header.width, encoded.header.height
        except ImageError as error:
            return str(error).rstrip(".")
        except OSError as error:
            return f"cannot be read: {error.strerror or error}"
        return None

    reasons: list[str | None] = []
    on_progress(0, len(files))
    with ThreadPoolExecutor() as pool:
        for start in range(0, len(files), _CHUNK):
            for reason in pool.map(read, range(start, min(start + _CHUNK, len(files)))):
                reasons.append(reason)
                on_progress(len(reasons), len(files))
    return reasons


def _content(file: Path) -> bytes:
    """The bytes of a regular file; ImageError for what must not be read whole, such as a pipe."""
    status = file.stat()
    if not S_ISREG(status.st_mode):
        raise ImageError("not a regular file")
    if status.st_size > MAX_FILE_BYTES:
        raise ImageError(f"larger than {MAX_FILE_BYTES // 2**20} MiB")
    return file.read_bytes()


def _shorter_side(file: Path) -> int | None:
    try:
        size = image_size(_content(file))
    except (ImageError, OSError):
        return None
    return min(size) if size else None


def _has_colour(file: Path, spec: ImageSpec) -> bool:
    try:
        pixels = read_pixels(_content(file), spec).reshape(-1, 3).astype(np.int16)
    except (ImageError, OSError):
        return False
    return bool((pixels.max(axis=1) - pixels.min(axis=1)).max() > _COLOUR_DIFFERENCE)


def _shown(path: Path) -> str:
    """The path as text that can be printed: bytes that are not UTF-8 replaced."""
    return os.fsencode(path).decode("utf-8", "replace")


def _png(picture: NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    return buffer.getvalue()
