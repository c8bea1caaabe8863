"""A dataset from a folder with one sub-folder of images for each class."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from errors import DatasetError, ImageError
from images.decoding import examine
from images.files import FOLDER_LINK, path_text, read_image
from images.spec import ImageSpec
from images.trailer import without_trailer
from labels import nfc, twins
from train.auto_spec import choose_spec
from train.dataset import Dataset, OnProgress, Skipped

MAX_PIXEL_BYTES = 2 * 2**30

_CHUNK = 512


def load_folder(
    path: Path, spec: ImageSpec | None = None, on_progress: OnProgress | None = None
) -> Dataset:
    """The images in a folder; the names of its sub-folders are the labels.

    Images may be at any depth below a class folder. Hidden files and folders are ignored; every
    other file that is not a readable image is in ``skipped``. A class folder may be a link, but
    links to folders below it are not followed, so that none can form a cycle. Without ``spec``,
    ``choose_spec`` chooses one. The order is that of the names, not that of the file system.

    Labels are in Unicode's form C, whatever the file system made of the names.

    Raises DatasetError, naming the folder, if it does not exist, has fewer than two classes, two
    that only differ in their form of Unicode, or a class with fewer than two readable images; or if
    the pixels would take more than 2 GiB.
    """
    skipped: list[Skipped] = []
    folders = _class_files(path, skipped)
    classes = dict(sorted((nfc(name), members) for name, members in folders.items()))
    files = [file for members in classes.values() for file in members]
    if spec is None:
        spec = choose_spec(files)
    if len(files) * spec.n_features > MAX_PIXEL_BYTES:
        raise DatasetError(
            f"The {len(files):,} images in {path} would take "
            f"{len(files) * spec.n_features / 2**30:.1f} GiB as {spec.name}, but the limit is "
            f"{MAX_PIXEL_BYTES / 2**30:.0f} GiB; choose a smaller image spec."
        )
    pixels = np.empty((len(files), spec.n_features), dtype=np.uint8)
    sizes = np.zeros((len(files), 2), dtype=np.int64)
    small: list[bytes | None] = [None] * len(files)
    notify = on_progress or (lambda _done, _total: None)
    reasons = _read_all(files, spec, pixels, sizes, small, notify)
    for file, reason in zip(files, reasons, strict=True):
        if reason is not None:
            skipped.append(_skip(file, reason))
    readable = np.array([reason is None for reason in reasons], dtype=bool)
    sizes_of_classes = [len(members) for members in classes.values()]
    targets = np.repeat(np.array(list(classes)), sizes_of_classes)[readable]
    for label in classes:
        images = int((targets == label).sum())
        if images < 2:
            count = "no readable image" if images == 0 else "a single readable image"
            raise DatasetError(
                f"The class folder {path_text(path / label)} has {count}, but needs at least two."
            )
    if not readable.all():
        pixels, sizes = pixels[readable], sizes[readable]
    contents = tuple(file for file, ok in zip(small, readable, strict=True) if ok)
    name = path_text(path.resolve().name)
    return Dataset(pixels, targets, name, spec, tuple(skipped), sizes, contents)


def _class_files(path: Path, skipped: list[Skipped]) -> dict[str, list[Path]]:
    """All files by class, without hidden ones, in the order of the names."""
    try:
        entries = sorted(entry for entry in path.iterdir() if not entry.name.startswith("."))
    except OSError as error:
        raise DatasetError(
            f"The data folder {path_text(path)} cannot be read: {error.strerror}."
        ) from error
    home = path.resolve()
    classes: dict[str, list[Path]] = {}
    for entry in entries:
        if not entry.is_dir():
            skipped.append(_skip(entry, "it is not in a class folder"))
        elif home.is_relative_to(entry.resolve()):
            skipped.append(_skip(entry, "it is a link to a folder that contains this one"))
        elif entry.name != path_text(entry.name):
            raise DatasetError(
                f"The name of the class folder {path_text(entry)} is not UTF-8, but labels must be."
            )
        else:
            classes[entry.name] = _files_below(entry, skipped)
    same = twins(classes)
    if same is not None:
        first, second = same
        raise DatasetError(
            f"The class folders {first!a} and {second!a} in {path_text(path)} have the "
            "same name in Unicode's form C: merge them, or rename one."
        )
    if len(classes) < 2:
        content = "nothing"
        if classes:
            content = f"only the class folder {next(iter(classes))}"
        elif entries:
            content = "files but no class folders"
        raise DatasetError(
            f"The data folder {path_text(path)} contains {content}, but needs at least two "
            "sub-folders of images, one for each class."
        )
    return classes


def _files_below(folder: Path, skipped: list[Skipped]) -> list[Path]:
    def cannot_read(error: OSError) -> None:
        skipped.append(_skip(error.filename, f"it cannot be read: {error.strerror}"))

    files: list[Path] = []
    for parent, folders, names in os.walk(folder, onerror=cannot_read):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        skipped += [
            Skipped(path_text(Path(parent, name)), FOLDER_LINK)
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
    small: list[bytes | None],
    on_progress: OnProgress,
) -> list[str | None]:
    """Fill ``pixels``, ``sizes`` and ``small``, the files that are smaller than their pixels, row
    by row; returns why each file is not readable, or None.

    Pillow decodes without the GIL. Files are submitted a chunk at a time, so that memory does not
    grow with their number.
    """

    def read(row: int) -> str | None:
        try:
            content = read_image(files[row])
            encoded = examine(content)
            pixels[row] = encoded.pixels(spec)
            if len(content) < spec.n_features:
                small[row] = without_trailer(content)
            sizes[row] = encoded.header.width, encoded.header.height
        except ImageError as error:
            return str(error)
        return None

    reasons: list[str | None] = []
    on_progress(0, len(files))
    with ThreadPoolExecutor() as pool:
        for start in range(0, len(files), _CHUNK):
            for reason in pool.map(read, range(start, min(start + _CHUNK, len(files)))):
                reasons.append(reason)
                on_progress(len(reasons), len(files))
    return reasons


def _skip(path: str | Path, reason: str) -> Skipped:
    return Skipped(path_text(path), reason)
