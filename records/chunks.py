"""A few at a time: databases bound how many values a statement takes."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

_Item = TypeVar("_Item")


def chunks(items: Iterable[_Item], size: int = 500) -> Iterator[list[_Item]]:
    """Lists of ``size`` items, the last of them shorter; none of nothing."""
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk
