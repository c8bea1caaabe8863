"""A confusion matrix whose cells say by a shade how large they are."""

from collections.abc import Sequence
from typing import Final, NamedTuple

_MOST: Final = 30
# Of a row: below the first, no shade.
_RIGHT: Final = ((0.9, "d4"), (0.6, "d3"), (0.3, "d2"), (0.001, "d1"))
_WRONG: Final = ((0.1, "w2"), (0.001, "w1"))


class Cell(NamedTuple):
    images: int
    shade: str


def matrix(confusion: Sequence[Sequence[int]]) -> list[list[Cell]] | None:
    """Rows: true classes; None if there are too many to be shown."""
    if len(confusion) > _MOST:
        return None
    return [
        [
            Cell(count, _shade(count / max(1, sum(row)), _RIGHT if i == j else _WRONG))
            for j, count in enumerate(row)
        ]
        for i, row in enumerate(confusion)
    ]


def _shade(share: float, shades: Sequence[tuple[float, str]]) -> str:
    return next((name for limit, name in shades if share >= limit), "")
