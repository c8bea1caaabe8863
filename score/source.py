"""Where the images come from: a folder of files, or Parquet."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import pyarrow as pa

from errors import ImageError
from images.files import read_image
from score.scorer import Image

CHUNK_BYTES = 16 * 2**20
CHUNK_ROWS = 1024


class Gap(NamedTuple):
    """Rows that are not scored yet, from ``first`` up to, but without, ``end``."""

    first: int
    end: int


class Summary(NamedTuple):
    """The number of rows, and a SHA-256 that changes when a file does."""

    rows: int
    sha256: str


class Item(NamedTuple):
    """One row: its id, its image or the path of it, and how many bytes it takes in memory."""

    id: Any
    image: Image | Path
    size: int


@dataclass(frozen=True)
class Chunk:
    """Consecutive rows; ``first`` is the number of the first one in the input."""

    first: int
    ids: pa.Array
    images: tuple[Image | Path, ...]


class Source(Protocol):
    """Images in a fixed order."""

    @property
    def id_type(self) -> pa.DataType: ...

    def summary(self) -> Summary:
        """Reads the name, size and time of every file, but no image."""
        ...

    def items(self, gaps: Iterable[Gap]) -> Iterator[tuple[int, Item]]:
        """The rows inside of the gaps, each with its number; the gaps are in order."""
        ...


def chunks(source: Source, gaps: Iterable[Gap], rows: int = CHUNK_ROWS) -> Iterator[Chunk]:
    """The rows of the gaps in chunks of up to ``rows`` images and 16 MiB.

    The end of a chunk does not depend on earlier ones, so a run that is continued has the same
    chunks as one that was never killed.
    """
    first, size = 0, 0
    items: list[Item] = []
    for number, item in source.items(gaps):
        is_gap = number != first + len(items)
        if items and (is_gap or len(items) == rows or size + item.size > CHUNK_BYTES):
            yield _chunk(source, first, items)
            items = []
        if not items:
            first, size = number, 0
        items.append(item)
        size += item.size
    if items:
        yield _chunk(source, first, items)


def load(image: Image | Path) -> Image:
    """The bytes of a file given by its path, or why it cannot be read; bytes unchanged."""
    if not isinstance(image, Path):
        return image
    try:
        return read_image(image)
    except ImageError as error:
        return str(error)


def _chunk(source: Source, first: int, items: list[Item]) -> Chunk:
    ids = pa.array([item.id for item in items], source.id_type)
    return Chunk(first, ids, tuple(item.image for item in items))
