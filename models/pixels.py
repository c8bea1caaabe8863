"""The pixels of many images: an array, or where that is too much for memory, rows of a file."""

from collections.abc import Iterator, Sequence
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from models.spill import Span, Spill

IN_MEMORY: Final = 512 * 2**20
"""Bytes of pixels up to which there is no need for the disk: 3,566 photos at 224 x 224. With the
copies for the sides of a split, and the photos' files, it is three times as much, which a machine
with 4 GB has. More would be copied by each step that goes over them."""

_CHUNK_BYTES: Final = 16 * 2**20


class StoredPixels:
    """uint8 [N, F] on disk. What is asked for by an index is read, as an array; ``take`` and
    ``joined`` read nothing."""

    def __init__(self, spill: Spill, starts: NDArray[np.int64], width: int) -> None:
        """``starts``: where each row begins in the spill."""
        self.spill = spill
        self._starts = starts
        self._width = width

    @classmethod
    def empty(cls, spill: Spill, count: int, width: int) -> Self:
        """So many rows, each to be set before it is read."""
        return cls(spill, np.full(count, -1, np.int64), width)

    @classmethod
    def of(cls, spans: Sequence[Span], width: int) -> Self:
        """Of one spill."""
        return cls(spans[0].spill, np.array([one.start for one in spans], np.int64), width)

    @property
    def shape(self) -> tuple[int, int]:
        return len(self._starts), self._width

    def __len__(self) -> int:
        return len(self._starts)

    def __getitem__(self, index: Any) -> NDArray[np.uint8]:
        """uint8 [F] of an integer, uint8 [n, F] of a slice or an array."""
        starts = np.asarray(self._starts[index])
        found = np.empty((starts.size, self._width), np.uint8)
        for row, start in zip(found, starts.reshape(-1).tolist(), strict=True):
            self.spill.read(start, row)
        return found if starts.ndim else found[0]

    def __setitem__(self, row: int, pixels: NDArray[np.uint8]) -> None:
        self._starts[row] = self.spill.add(pixels).start

    def __iter__(self) -> Iterator[NDArray[np.uint8]]:
        return (self[row] for row in range(len(self)))

    def take(self, rows: NDArray[np.int64]) -> "StoredPixels":
        return StoredPixels(self.spill, self._starts[rows], self._width)

    def span(self, row: int) -> Span:
        return Span(self.spill, int(self._starts[row]), self._width)

    def joined(self, parts: Sequence["Pixels"]) -> "StoredPixels":
        """These parts one after the other, in this spill: those that are not are added to it."""
        starts = [
            part._starts
            if isinstance(part, StoredPixels) and part.spill is self.spill
            else np.array([self.spill.add(row).start for row in part], np.int64)
            for part in parts
        ]
        return StoredPixels(self.spill, np.concatenate(starts), self._width)


Pixels = NDArray[np.uint8] | StoredPixels
Row = NDArray[np.uint8] | Span
"""uint8 [F], or where it is on disk."""


def is_large(count: int, width: int) -> bool:
    """Whether so many rows of so many bytes are for the disk."""
    return count * width > IN_MEMORY


def taken(pixels: Pixels, rows: NDArray[np.int64]) -> Pixels:
    """Rows of them, where they are."""
    return pixels.take(rows) if isinstance(pixels, StoredPixels) else pixels[rows]


def row_of(pixels: Pixels, row: int) -> Row:
    """One of them, where it is."""
    return pixels.span(row) if isinstance(pixels, StoredPixels) else pixels[row]


def stacked(rows: Sequence[Row], width: int) -> Pixels:
    """Rows that are all arrays, or all in one spill."""
    spans = [row for row in rows if isinstance(row, Span)]
    if spans:
        return StoredPixels.of(spans, width)
    return np.array(rows, np.uint8).reshape(len(rows), width)


def joined(parts: Sequence[Pixels]) -> Pixels:
    """One after the other; on disk if any of them is."""
    for part in parts:
        if isinstance(part, StoredPixels):
            return part.joined(parts)
    return np.concatenate([part[:] for part in parts])


def chunks(pixels: Pixels) -> Iterator[NDArray[np.uint8]]:
    """All rows, some at a time in memory, each contiguous."""
    count = max(1, _CHUNK_BYTES // max(1, pixels.shape[1]))
    for start in range(0, len(pixels), count):
        yield np.ascontiguousarray(pixels[start : start + count])
