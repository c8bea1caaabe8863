"""How many fields a message has, before it is parsed.

Protobuf holds the interpreter's lock while it parses: a body of 10 MB in which nothing but empty
fields stand takes it half a second, and nobody else is answered. Numbers and raw tensors are one
field each, whatever their size.
"""

from collections.abc import Iterator
from typing import Final

from errors import BadRequestError

SMALL_BYTES: Final = 16_384
"""What takes less time than the look."""

MAX_FIELDS: Final = 2_000
"""Of all levels together: 256 images, or a shape, are few."""

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_FIXED: Final = {_FIXED64: 8, _FIXED32: 4}
_MOST_VARINT_BYTES: Final = 10

# Messages within a ModelInferRequest that have fields of their own: inputs, their contents, and
# outputs. By their path.
_WITHIN: Final = ((5,), (5, 5), (6,))


def check_fields(data: bytes) -> None:
    """Raises BadRequestError for a ModelInferRequest that would take long to parse, or whose
    fields do not fit into it."""
    if len(data) > SMALL_BYTES:
        _Look(data).message(0, len(data), ())


class _Look:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._left = MAX_FIELDS

    def message(self, at: int, end: int, path: tuple[int, ...]) -> None:
        for number, start, stop in self._fields(at, end):
            self._left -= 1
            if self._left < 0:
                raise BadRequestError(
                    f"The message has more than {MAX_FIELDS:,} fields: send tensors in "
                    "raw_input_contents, or packed."
                )
            within = (*path, number)
            if stop > start and within in _WITHIN:
                self.message(start, stop, within)

    def _fields(self, at: int, end: int) -> Iterator[tuple[int, int, int]]:
        """Number of each field, and where its content begins and ends if it has a length."""
        while at < end:
            key, at = self._varint(at, end)
            kind = key & 7
            start = stop = at
            if kind == _VARINT:
                _, at = self._varint(at, end)
            elif kind == _BYTES:
                length, start = self._varint(at, end)
                at = stop = start + length
            elif kind in _FIXED:
                at += _FIXED[kind]
            else:
                raise broken()
            if at > end:
                raise broken()
            yield key >> 3, start, stop if kind == _BYTES else start

    def _varint(self, at: int, end: int) -> tuple[int, int]:
        value = 0
        for place in range(_MOST_VARINT_BYTES):
            if at + place >= end:
                break
            byte = self._data[at + place]
            value |= (byte & 0x7F) << (7 * place)
            if byte < 0x80:
                return value, at + place + 1
        raise broken()


def broken(kind: str = "ModelInferRequest") -> BadRequestError:
    """The error for bytes that are no message of this kind."""
    return BadRequestError(f"The message is not a valid inference.{kind}.")
