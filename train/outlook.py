"""What can be said of photos before a training: how good it will be, and which labels look wrong.

Embeddings make a cross-validation cheap, so there is one over all photos: a holdout of a fifth of
200 says little, and labels that others contradict are best looked at before anything is trained.
"""

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from sklearn.metrics import balanced_accuracy_score

from cli import counted
from models.manifest import Interval
from train.dataset import Dataset
from train.evaluate import accuracy_of
from train.mistakes import SHEET_IMAGES, sheet
from train.noise import MAX_PROPORTION, out_of_fold, suspects
from train.tuning import MAX_WORK

FEW: Final = 1_000
"""Photos up to which the cross-validation says more than the holdout."""
LISTED: Final = 10


@dataclass(frozen=True)
class Suspect:
    """A photo whose label looks wrong; ``row``: its index in the dataset."""

    row: int
    label: str
    looks_like: str
    confidence: float


@dataclass(frozen=True)
class Outlook:
    """``accuracy``: of all photos, each by a classifier that was not trained on it; ``balanced``:
    the mean of the classes; ``suspects``: the most certain first."""

    accuracy: Interval
    balanced: float
    suspects: tuple[Suspect, ...]

    @classmethod
    def of(cls, dataset: Dataset, recipe: str, seed: int) -> Self | None:
        """By the recipe's usual parameters; None where a class has too few photos, or all of them
        are so many that it would take minutes."""
        if _takes_minutes(dataset):
            return None
        features, given = dataset.features(), dataset.indices
        probabilities = out_of_fold(recipe, {}, features, given, seed, dataset.groups)
        if probabilities is None:
            return None
        found = probabilities.argmax(axis=1)
        wrong, likeliest = suspects(probabilities, given)
        rows = np.flatnonzero(wrong) if wrong.mean() <= MAX_PROPORTION else np.empty(0, np.int64)
        confidences = probabilities[rows, likeliest[rows]]
        names = [str(label) for label in dataset.labels]
        return cls(
            accuracy_of(found == given, dataset.groups),
            float(balanced_accuracy_score(given, found)),
            tuple(
                Suspect(
                    int(rows[place]),
                    names[given[rows[place]]],
                    names[likeliest[rows[place]]],
                    float(confidences[place]),
                )
                for place in np.argsort(-confidences, kind="stable")
            ),
        )

    def notes(self, dataset: Dataset) -> list[str]:
        """Sentences for the person who trains."""
        lines = []
        if len(dataset) <= FEW:
            one = self.accuracy
            lines.append(
                f"Cross-validation: {one.value:.1%} of {len(dataset):,} photos right (95 % "
                f"interval {one.low:.1%} to {one.high:.1%}{_of_groups(dataset)}), "
                f"{self.balanced:.1%} on average of the classes."
            )
        if self.suspects:
            count = len(self.suspects)
            trained = (
                "it is trained on all the same, so correct the file"
                if count == 1
                else "they are trained on all the same, so correct the files"
            )
            lines.append(f"{_look(count)} wrong; {trained} and train again:")
        where = dataset.where or tuple(f"image {row + 1}" for row in range(len(dataset)))
        lines += [
            f"  {where[one.row]}: {one.label}, and looks like {one.looks_like} "
            f"({one.confidence:.0%})"
            for one in self.suspects[:LISTED]
        ]
        if len(self.suspects) > LISTED:
            lines.append(f"  and {len(self.suspects) - LISTED:,} more in suspects.png")
        return lines

    def picture(self, dataset: Dataset) -> bytes | None:
        """A contact sheet of the suspects; None without one."""
        if not self.suspects:
            return None
        tiles = [
            (dataset.pixels[one.row], (one.label, one.looks_like, f"{one.confidence:.0%}"))
            for one in self.suspects[:SHEET_IMAGES]
        ]
        return sheet(
            tiles,
            ("label: ", "looks like: ", "confidence: "),
            dataset.spec,
            f"{_look(len(self.suspects))} wrong",
            "most certain first",
        )


def without_outlook(dataset: Dataset) -> list[str]:
    """A sentence on why there is none of so few photos that there should be one."""
    if len(dataset) > FEW:
        return []
    why = (
        f"with {len(dataset.labels):,} classes it would take minutes"
        if _takes_minutes(dataset)
        else "it takes four photos of each class, and two groups of each if there are groups"
    )
    return [f"There is no cross-validation, and no look at the labels: {why}."]


def _takes_minutes(dataset: Dataset) -> bool:
    return dataset.features().size * len(dataset.labels) > MAX_WORK


def _look(count: int) -> str:
    return f"{counted(count, 'label')} {'looks' if count == 1 else 'look'}"


def _of_groups(dataset: Dataset) -> str:
    """What the interval is of, where that is fewer than the photos."""
    groups = len(dataset) if dataset.groups is None else len(np.unique(dataset.groups))
    return f", of {counted(groups, 'group')}" if groups < len(dataset) else ""
