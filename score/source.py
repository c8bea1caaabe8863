"""Where the images come from: a folder of files, or Parquet."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import Any, NamedTuple, Protocol

import pyarrow as pa

from score.scorer import Image

MAX_FILE_BYTES = 64 * 2**20
CHUNK_BYTES = 16 * 2**20
CHUNK_ROWS = 1024


class Gap(NamedTuple):
    """Rows that are still to be scored, from ``first`` to just before ``end``."""

    first: int
    end: int


class Summary(NamedTuple):
    """How many rows there are, and a SHA-256 that changes when a file does."""

    rows: int
    sha256: str


class Item(NamedTuple):
    """One row: its id, its image or where that is, and how many bytes it takes in memory."""

    id: Any
    image: Image | Path
    size: int


@dataclass(frozen=True)
class Chunk:
    """Rows that follow each other, the first of them number ``first`` of the input."""

    first: int
    ids: pa.Array
    images: tuple[Image | Path, ...]


class Source(Protocol):
    """Images in an order that is the same each time."""

    @property
    def id_type(self) -> pa.DataType: ...

    def summary(self) -> Summary:
        """Looks at every file's name, size and time, and at no image."""
        ...

    def items(self, gaps: Iterable[Gap]) -> Iterator[tuple[int, Item]]:
        """The rows inside the gaps, which are in order, each with its number."""
        ...


def chunks(source: Source, gaps: Iterable[Gap], rows: int = CHUNK_ROWS) -> Iterator[Chunk]:
    """The rows of the gaps in chunks of up to ``rows`` images and 16 MiB.

    Where a chunk ends depends on nothing before it, so a run that goes on where one was killed has
    the chunks that one would have had.
    """
    first, size = 0, 0
    held: list[Item] = []
    for number, item in source.items(gaps):
        apart = number != first + len(held)
        if held and (apart or len(held) == rows or size + item.size > CHUNK_BYTES):
            yield _chunk(source, first, held)
            held = []
        if not held:
            first, size = number, 0
        held.append(item)
        size += item.size
    if held:
        yield _chunk(source, first, held)


def load(image: Image | Path) -> Image:
    """The bytes of a file that is named, or why there are none; bytes as they are.

    What must not be read whole, such as a pipe, is not opened.
    """
    if not isinstance(image, Path):
        return image
    try:
        status = image.stat()
        if S_ISDIR(status.st_mode):
            return "it is a link to a folder, and those are not followed"
        if not S_ISREG(status.st_mode):
            return "it is not a regular file"
        if status.st_size > MAX_FILE_BYTES:
            return f"it is larger than {MAX_FILE_BYTES // 2**20} MiB"
        return image.read_bytes()
    except OSError as error:
        return f"it cannot be read: {error.strerror or error}"


def printable(path: str | Path) -> str:
    """The path as text that Parquet and a terminal take, whatever bytes it is made of."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _chunk(source: Source, first: int, items: list[Item]) -> Chunk:
    ids = pa.array([item.id for item in items], source.id_type)
    return Chunk(first, ids, tuple(item.image for item in items))
