"""The images of recorded predictions, decoded to pixels."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from errors import ImageError
from images.decoding import examine
from images.spec import ImageSpec
from records.windows import Record


@dataclass(frozen=True)
class Failure:
    """A record whose image cannot be decoded; ``row``: its index among the records."""

    row: int
    reason: str


@dataclass(frozen=True, eq=False)
class DecodedImages:
    """The images that can be decoded, in the order of their records.

    ``pixels``: uint8 [n, F], in the image spec's size; ``rows``: int64 [n], the index of each among
    the records; ``sizes``: int64 [n, 2], width and height that each file declares, before rotation
    by EXIF; ``without``: the number of records whose image was not kept.
    """

    pixels: NDArray[np.uint8]
    rows: NDArray[np.int64]
    sizes: NDArray[np.int64]
    failures: tuple[Failure, ...] = ()
    without: int = 0

    def __len__(self) -> int:
        return len(self.rows)


def decode(records: Sequence[Record], spec: ImageSpec) -> DecodedImages:
    """Decode the images as the server does; a damaged one becomes a ``Failure``."""
    kept = [(row, record.image) for row, record in enumerate(records) if record.image is not None]
    pixels = np.empty((len(kept), spec.n_features), dtype=np.uint8)
    sizes = np.empty((len(kept), 2), dtype=np.int64)

    def read(index: int) -> str | None:
        try:
            encoded = examine(kept[index][1])
            pixels[index] = encoded.pixels(spec)
        except ImageError as error:
            return str(error)
        sizes[index] = encoded.header.width, encoded.header.height
        return None

    with ThreadPoolExecutor() as pool:  # Pillow decodes without the GIL.
        reasons = list(pool.map(read, range(len(kept))))
    rows = np.array([row for row, _ in kept], dtype=np.int64)
    good = np.array([reason is None for reason in reasons], dtype=bool)
    failures = tuple(
        Failure(int(row), reason)
        for row, reason in zip(rows, reasons, strict=True)
        if reason is not None
    )
    return DecodedImages(pixels[good], rows[good], sizes[good], failures, len(records) - len(kept))
