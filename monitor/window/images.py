"""The images of recorded predictions, decoded to pixels."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from errors import ImageError, TooLargeImageError
from images.decoding import MAX_PIXELS, examine
from images.note import original_size
from images.spec import ImageSpec
from records.windows import Record


@dataclass(frozen=True)
class Failure:
    """A record whose image cannot be decoded; ``row``: its index among the records; ``large``: it
    has more pixels than are decoded here, and may be in order."""

    row: int
    reason: str
    large: bool = False


@dataclass(frozen=True, eq=False)
class DecodedImages:
    """The images that can be decoded, in the order of their records.

    ``pixels``: uint8 [n, F], in the image spec's size; ``rows``: int64 [n], the index of each among
    the records; ``sizes``: int64 [n, 2], width and height that each file declares, before rotation
    by EXIF, or that the original of a copy had; ``without``: the number of records whose image was
    not kept. Of a version with an extractor, ``pixels`` are small copies (``models.small``), and
    there are ``embeddings``: float32 [n, dimension].
    """

    pixels: NDArray[np.uint8]
    rows: NDArray[np.int64]
    sizes: NDArray[np.int64]
    failures: tuple[Failure, ...] = ()
    without: int = 0
    embeddings: NDArray[np.float32] | None = None

    def __len__(self) -> int:
        return len(self.rows)


def decode(
    records: Sequence[Record], spec: ImageSpec, max_pixels: int = MAX_PIXELS
) -> DecodedImages:
    """Decode the images as the server does; one that is damaged, or has more pixels than
    ``max_pixels``, becomes a ``Failure``."""
    kept = [(row, record.image) for row, record in enumerate(records) if record.image is not None]
    pixels = np.empty((len(kept), spec.n_features), dtype=np.uint8)
    sizes = np.empty((len(kept), 2), dtype=np.int64)

    def read(index: int) -> ImageError | None:
        try:
            encoded = examine(kept[index][1], max_pixels)
            pixels[index] = encoded.pixels(spec)
        except ImageError as error:
            return error
        # A copy is as usual a size as its original was.
        sizes[index] = original_size(encoded.data) or (encoded.header.width, encoded.header.height)
        return None

    with ThreadPoolExecutor() as pool:  # Pillow decodes without the GIL.
        errors = list(pool.map(read, range(len(kept))))
    rows = np.array([row for row, _ in kept], dtype=np.int64)
    good = np.array([error is None for error in errors], dtype=bool)
    failures = tuple(
        Failure(int(row), str(error), isinstance(error, TooLargeImageError))
        for row, error in zip(rows, errors, strict=True)
        if error is not None
    )
    return DecodedImages(pixels[good], rows[good], sizes[good], failures, len(records) - len(kept))
