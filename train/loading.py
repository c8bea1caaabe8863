"""Decodes what was listed: from files and rows to a dataset."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from errors import DatasetError, ImageError, ModelError
from images.decoding import examine
from images.files import path_text, read_image
from images.spec import ImageSpec
from images.trailer import without_trailer
from models.manifest import Label
from models.pixels import Pixels, StoredPixels, is_large, taken
from models.spill import Content, Spill
from train.auto_spec import SAMPLE_SIZE, choose_spec
from train.dataset import Dataset, OnProgress, Skipped
from train.duplicates import copies_of
from train.reading.listing import Image, Listing, Row, listed, paths

MAX_PIXEL_BYTES: Final = 2 * 2**30
"""In memory. Of photos for an extractor, more are on disk."""

_CHUNK: Final = 512
_CHUNK_BYTES: Final = 32 * 2**20
_NO_IMAGE: Final = "it has no image"


def load(
    listing: Listing,
    spec: ImageSpec | None = None,
    on_progress: OnProgress | None = None,
    *,
    of_extractor: bool = False,
) -> Dataset:
    """The images of a listing; those that cannot be read are in ``skipped``.

    Without ``spec``, ``choose_spec`` chooses one. Raises DatasetError for a class with fewer than
    two readable images, or if the pixels would take more than 2 GiB. ``of_extractor``: whether only
    embeddings of them are trained on, so that the pixels may be on disk; raises ModelError if they
    do not fit there.
    """
    rows = listing.rows
    spec = spec or choose_spec(_sample(listing))
    spill = _spill(listing, spec) if of_extractor else None
    if spill is None and len(rows) * spec.n_features > MAX_PIXEL_BYTES:
        raise DatasetError(
            f"The {len(rows):,} images in {listing.name} would take "
            f"{len(rows) * spec.n_features / 2**30:.1f} GiB as {spec.name}, but the limit is "
            f"{MAX_PIXEL_BYTES / 2**30:.0f} GiB; choose a smaller image spec, or train on "
            f"{MAX_PIXEL_BYTES // spec.n_features:,} of them at most."
        )
    pixels: Pixels
    if spill is None:
        pixels = np.empty((len(rows), spec.n_features), dtype=np.uint8)
    else:
        pixels = StoredPixels.empty(spill, len(rows), spec.n_features)
    sizes = np.zeros((len(rows), 2), dtype=np.int64)
    small: list[Content | None] = [None] * len(rows)
    notify = on_progress or (lambda _done, _total: None)
    reasons = _read_all(listing.images, spec, pixels, sizes, small, notify)
    readable = np.array([reason is None for reason in reasons], dtype=bool)
    notes = _settle_sides(rows, readable)
    kept = [row for row, ok in zip(rows, readable.tolist(), strict=True) if ok]
    _check_classes(listing, kept, reasons)
    skipped = [
        Skipped(row.where, reason)
        for row, reason in zip(rows, reasons, strict=True)
        if reason is not None
    ]
    if not readable.all():
        pixels, sizes = taken(pixels, np.flatnonzero(readable)), sizes[readable]
    return Dataset(
        pixels,
        np.array([row.label for row in kept]),
        listing.name,
        spec,
        (*listing.skipped, *skipped),
        sizes,
        tuple(file for file, ok in zip(small, readable, strict=True) if ok),
        where=tuple(row.where for row in kept),
        held=_held(kept),
        groups=np.array([row.group for row in kept]) if kept[0].group is not None else None,
        copies=copies_of(pixels),
        notes=(*listing.notes, *notes),
    )


def _spill(listing: Listing, spec: ImageSpec) -> Spill | None:
    """Where the pixels are too many for memory, room for them and for files that are smaller, as
    far as these are known before they are read."""
    count, width = len(listing.rows), spec.n_features
    if not is_large(count, width):
        return None
    files = 0
    for path in paths(listing.images):
        # One that is gone or may not be read is told of when it is to be decoded.
        with suppress(OSError):
            size = path.stat().st_size
            files += size if size < width else 0
    what = f"The {count:,} images in {listing.name}"
    try:
        return Spill(what, count * width + files, count)
    except ModelError:
        if count * width > MAX_PIXEL_BYTES:
            raise
        # As before there was a file for them, and as for a training on pixels.
        return None


def _sample(listing: Listing) -> list[Path | bytes]:
    """Evenly spaced images; of files, without opening them."""
    count = len(listing.rows)
    wanted = set(np.linspace(0, count - 1, min(SAMPLE_SIZE, count)).astype(int).tolist())
    return [
        image for row, image in enumerate(listing.images) if row in wanted and image is not None
    ]


def _held(rows: list[Row]) -> NDArray[np.bool_] | None:
    """bool [N], or None if the data do not say which images are held out."""
    if rows[0].side is None:
        return None
    return np.array([row.side == "holdout" for row in rows], dtype=bool)


def _settle_sides(rows: Sequence[Row], usable: NDArray[np.bool_]) -> list[str]:
    """Take classes of which nothing is trained on out of ``usable``; sentences on them, and on
    those of which nothing is held out."""
    if rows[0].side is None:
        return []
    sides: dict[Label, set[str | None]] = {}
    for row, ok in zip(rows, usable.tolist(), strict=True):
        if ok:
            sides.setdefault(row.label, set()).add(row.side)
    notes = []
    only_held = {label for label, found in sides.items() if found == {"holdout"}}
    if only_held:
        notes.append(f"Left out, as only held out and not trained on: {_names(only_held)}.")
        usable &= np.array([row.label not in only_held for row in rows], dtype=bool)
    only_trained = {label for label, found in sides.items() if found == {"train"}}
    if only_trained and len(only_trained) < len(sides):
        notes.append(f"Of these classes no image is held out: {_names(only_trained)}.")
    return notes


def _names(labels: Iterable[Label]) -> str:
    return listed(sorted(path_text(str(label)) for label in labels))


def _check_classes(listing: Listing, kept: list[Row], reasons: list[str | None]) -> None:
    counts = Counter(row.label for row in kept)
    left_out = {row.label for row in listing.rows if row.side == "holdout"} - {
        row.label for row in listing.rows if row.side != "holdout"
    }
    for label in dict.fromkeys(row.label for row in listing.rows):
        if counts[label] > 1 or label in left_out:
            continue
        example = next(
            (
                f"; {row.where}: {reason}"
                for row, reason in zip(listing.rows, reasons, strict=True)
                if row.label == label and reason is not None
            ),
            "",
        )
        count = "a single readable image" if counts[label] else "no readable image"
        raise DatasetError(
            f"Class {path_text(str(label))} of {listing.name} has {count}, but needs at least two: "
            f"add images, or leave it out with --exclude{example}."
        )


def _read_all(
    images: Iterable[Image],
    spec: ImageSpec,
    pixels: Pixels,
    sizes: NDArray[np.int64],
    small: list[Content | None],
    on_progress: OnProgress,
) -> list[str | None]:
    """Fill ``pixels``, ``sizes`` and ``small``, the files that are smaller than their pixels, row
    by row, these on disk if the pixels are; returns why each file is not readable, or None.

    Pillow decodes without the GIL. Images are submitted a chunk at a time, so that memory does not
    grow with their number.
    """

    def read(row: int, image: Image) -> str | None:
        try:
            if image is None:
                raise ImageError(_NO_IMAGE)  # noqa: TRY301 - as any other reason
            content = image if isinstance(image, bytes) else read_image(image)
            encoded = examine(content)
            pixels[row] = encoded.pixels(spec)
            if len(content) < spec.n_features:
                file = without_trailer(content)
                small[row] = pixels.spill.add(file) if isinstance(pixels, StoredPixels) else file
            sizes[row] = encoded.header.width, encoded.header.height
        except ImageError as error:
            return str(error)
        return None

    reasons: list[str | None] = []
    on_progress(0, len(pixels))
    with ThreadPoolExecutor() as pool:
        for chunk in _chunks(images):
            for reason in pool.map(read, range(len(reasons), len(reasons) + len(chunk)), chunk):
                reasons.append(reason)
                on_progress(len(reasons), len(pixels))
    return reasons


def _chunks(images: Iterable[Image]) -> Iterator[list[Image]]:
    chunk: list[Image] = []
    size = 0
    for image in images:
        chunk.append(image)
        size += len(image) if isinstance(image, bytes) else 0
        if len(chunk) == _CHUNK or size > _CHUNK_BYTES:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk
