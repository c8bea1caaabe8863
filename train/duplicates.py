"""Images that are there more than once, and those of them that have several labels."""

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from cli import counted, printable
from errors import DatasetError
from models.offline.comparison import image_digests
from models.pixels import Pixels
from train.dataset import Dataset

LISTED: Final = 3


def copies_of(pixels: Pixels) -> NDArray[np.int64] | None:
    """int64 [N], equal for equal rows of uint8 [N, F]; None if all of them differ."""
    found = np.unique(np.array(image_digests(pixels), dtype="V16"), return_inverse=True)
    return None if len(found[0]) == len(pixels) else found[1].astype(np.int64)


@dataclass(frozen=True)
class Duplicates:
    """Images that are equal as the classifier sees them, whatever their files are.

    ``within``: how many are copies of another with the same label; ``across``: pairs of rows with
    the same image and different labels; ``leaked``: images held out by the data, and trained on.
    """

    within: int
    across: tuple[tuple[int, int], ...]
    leaked: int

    @classmethod
    def of(cls, dataset: Dataset) -> Self:
        if dataset.copies is None:
            return cls(0, (), 0)
        firsts: dict[int, int] = {}
        across, within, leaked = [], 0, 0
        indices, held = dataset.indices, dataset.held
        trained = set() if held is None else set(dataset.copies[~held].tolist())
        for row, copy in enumerate(dataset.copies.tolist()):
            first = firsts.setdefault(copy, row)
            if indices[first] != indices[row]:
                across.append((first, row))
            elif first != row:
                within += 1
            leaked += held is not None and bool(held[row]) and copy in trained
        return cls(within, tuple(across), leaked)

    def check(self, dataset: Dataset) -> None:
        """Raises DatasetError, with some of the files, for an image with several labels."""
        if self.across:
            raise DatasetError(
                f"{counted(len(self.across), 'image')} of {dataset.name} "
                f"{'is' if len(self.across) == 1 else 'are'} in two classes: "
                f"{self._pairs(dataset)}; remove the wrong ones, or add --allow-duplicates."
            )

    def notes(self, dataset: Dataset) -> list[str]:
        found = []
        if self.across:
            found.append(
                f"{counted(len(self.across), 'image')} in two classes: {self._pairs(dataset)}."
            )
        if self.within:
            found.append(
                f"{counted(self.within, 'image')} more than once in its class; copies are never "
                "both trained on and held out."
            )
        if self.leaked:
            found.append(
                f"{counted(self.leaked, 'image')} of the holdout left out, as it is trained on too."
            )
        return found

    def _pairs(self, dataset: Dataset) -> str:
        where = dataset.where or tuple(f"image {row + 1}" for row in range(len(dataset)))
        shown = [
            f"{where[first]} ({dataset.targets[first]}) and {where[second]} "
            f"({dataset.targets[second]})"
            for first, second in self.across[:LISTED]
        ]
        more = len(self.across) - len(shown)
        return printable(", ".join(shown) + (f" and {more:,} more" if more else ""))
