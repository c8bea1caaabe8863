"""A file that is some ranges of another's bytes, read without a copy of them."""

import io
from typing import Final

_LAST: Final = -1


class Parts(io.RawIOBase):
    """The ranges of ``data``, one after another. All but the last are small: those are copied."""

    def __init__(self, data: bytes, ranges: tuple[tuple[int, int], ...]) -> None:
        super().__init__()
        self._head = b"".join(data[start:end] for start, end in ranges[:_LAST])
        self._data = data
        self._start, self._end = ranges[_LAST]
        self._position = 0

    def read(self, size: int | None = -1) -> bytes:
        """Up to ``size`` bytes; all that are left where it is below 0."""
        length = len(self._head) + self._end - self._start
        end = length if size is None or size < 0 else min(length, self._position + size)
        within = self._head[self._position : end]
        start = max(self._position, len(self._head)) - len(self._head) + self._start
        self._position = max(self._position, end)
        last = end - len(self._head) + self._start
        if last <= start:
            return within
        return within + self._data[start:last] if within else self._data[start:last]

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place from the beginning, from here or from the end."""
        from_end = len(self._head) + self._end - self._start
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: from_end}[whence]
        self._position = max(0, base + offset)
        return self._position

    def tell(self) -> int:
        return self._position

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True
