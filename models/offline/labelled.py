"""Images with labels in a folder with a sub-folder for each label: named first, read when needed.

Photos of a phone have 3 MB each, so that those of a folder are not kept together.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

import numpy as np

from errors import ImageError
from images.decoding import Encoded, examine
from images.formats import sniff
from labels import nfc
from models.manifest import Label

_MAX_BYTES: Final = 20 * 2**20
_HEAD: Final = 64
_AHEAD: Final = 64

Made = TypeVar("Made")


class LabelledImage(NamedTuple):
    """``image``: a file that ``read`` reads, or what was read."""

    image: Path | Encoded
    label: Label

    def read(self) -> Encoded:
        """Raises ImageError for a file that is no image, or was removed."""
        if not isinstance(self.image, Path):
            return self.image
        try:
            return examine(self.image.read_bytes())
        except OSError as error:
            raise ImageError(f"it cannot be read: {error.strerror}") from error


def read_labelled(folder: Path) -> list[LabelledImage]:
    """The files that begin as an image does; at most 20 MiB each."""
    return [
        LabelledImage(file, nfc(inner.name))
        for inner in sorted(one for one in folder.iterdir() if one.is_dir())
        if not inner.name.startswith(".")
        for file in sorted(one for one in inner.iterdir() if one.is_file())
        if not file.name.startswith(".") and _is_image(file)
    ]


def sampled(images: Sequence[LabelledImage], count: int) -> list[LabelledImage]:
    """At most so many, in their order and the same each time: of each label as many, or all of one
    that has fewer."""
    if len(images) <= count:
        return list(images)
    rows: dict[Label, list[int]] = {}
    for row, one in enumerate(images):
        rows.setdefault(one.label, []).append(row)
    left, chosen = count, list[int]()
    for place, of in enumerate(sorted(rows.values(), key=len)):
        share = min(len(of), left // (len(rows) - place))
        chosen += [of[at] for at in np.linspace(0, len(of) - 1, share).astype(int)]
        left -= share
    return [images[row] for row in sorted(chosen)]


def made(
    images: Sequence[LabelledImage], make: Callable[[Encoded], Made]
) -> Iterator[Made | ImageError]:
    """What is made of each, in order and on all processors; the error of one that is none."""

    def of(one: LabelledImage) -> Made | ImageError:
        try:
            return make(one.read())
        except ImageError as error:
            return error

    # Pillow decodes without the GIL; a photo of 12 megapixels takes 50 MB meanwhile.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for start in range(0, len(images), _AHEAD):
            yield from pool.map(of, images[start : start + _AHEAD])


def _is_image(file: Path) -> bool:
    try:
        if file.stat().st_size > _MAX_BYTES:
            return False
        with file.open("rb") as opened:
            sniff(opened.read(_HEAD))
    except (ImageError, OSError):
        return False
    return True
