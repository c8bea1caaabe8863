"""Lists of limited size: databases limit how many values a statement accepts."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

_Item = TypeVar("_Item")


def chunks(items: Iterable[_Item], size: int = 500) -> Iterator[list[_Item]]:
    """Lists of ``size`` items; the last may be shorter, and no items give no list."""
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk
