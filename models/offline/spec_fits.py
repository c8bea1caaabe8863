"""How well image specs fit a classifier: what it says of labelled images with each."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from errors import SpecError
from images.spec import ImageSpec
from models.offline.comparison import sign_test

_CERTAIN: Final = 0.01
"""Of the sign test: how often a spec would look so much better than another that is as good."""

_APART: Final = 3
"""Standard errors of the mean difference of two losses."""

_ALIKE: Final = 0.99
"""Of the predictions: specs with which more of them are equal make no difference."""

_ABOVE_CHANCE: Final = 4
"""Standard deviations above what always saying the most frequent label has right."""


class Fit(NamedTuple):
    """``said``: int64 [N], the classifier's labels with this spec, as indices; ``right``: bool [N],
    which of them are; ``loss``: float64 [N], minus the logarithm of the true label's probability,
    if it gives any."""

    spec: ImageSpec
    said: NDArray[np.int64]
    right: NDArray[np.bool_]
    loss: NDArray[np.float64] | None = None

    @property
    def share(self) -> float:
        return float(self.right.mean())

    def differs_from(self, other: "Fit") -> bool:
        return float((self.said == other.said).mean()) < _ALIKE

    def has_more_right_than(self, other: "Fit") -> bool:
        """More than chance would make it, by the images on which they differ."""
        wins = int((self.right & ~other.right).sum())
        losses = int((other.right & ~self.right).sum())
        return wins > losses and sign_test(wins, losses) < _CERTAIN

    def is_better_than(self, other: "Fit") -> bool:
        """By the labels, or by the probabilities where the labels do not tell."""
        if self.has_more_right_than(other):
            return True
        if self.loss is None or other.loss is None or other.has_more_right_than(self):
            return False
        less = other.loss - self.loss
        return float(less.mean()) > _APART * float(less.std()) / math.sqrt(len(less))

    def __str__(self) -> str:
        return f"{self.share:.1%} as {self.spec.name}"


@dataclass(frozen=True)
class Fits:
    """All specs that were tried, the best first, and the share of the most frequent label."""

    tried: tuple[Fit, ...]
    chance: float

    @classmethod
    def of(cls, tried: Sequence[Fit], chance: float) -> Self:
        """The best has most right, or the least loss of those that have hardly fewer; what was
        tried first where all is equal. Where one has all right, the labels are most likely what the
        original said, and a spec with which it is surer of them is no better for that."""
        ordered = sorted(tried, key=lambda fit: -fit.share)
        level = [fit for fit in ordered if fit.share == 1] or [
            fit for fit in ordered if not ordered[0].has_more_right_than(fit)
        ]
        best = min(level, key=lambda fit: (_mean(fit.loss), -fit.share))
        return cls((best, *(fit for fit in ordered if fit is not best)), chance)

    @property
    def best(self) -> Fit:
        return self.tried[0]

    def told(self, count: int = 3) -> str:
        """A sentence about the best; of several that are not told apart, about one."""
        kept: list[Fit] = []
        for fit in self.tried:
            if len(kept) < count and all(fit.differs_from(better) for better in kept):
                kept.append(fit)
        images = len(self.best.said)
        return f"Of {images} labelled images it has right: {', '.join(map(str, kept))}."

    def chosen(self) -> ImageSpec:
        """The best, if it is certainly better than all that make a difference, and than chance.
        Raises SpecError."""
        if reason := self._doubt():
            raise SpecError(reason)
        return self.best.spec

    def _doubt(self) -> str | None:
        best, images = self.best, len(self.best.said)
        noise = math.sqrt(self.chance * (1 - self.chance) / images)
        if best.share < self.chance + _ABOVE_CHANCE * noise:
            return (
                f"No image spec that was tried fits. {self.told()} Always saying the most frequent "
                f"label has {self.chance:.1%} right: name the right one with --image-spec."
            )
        others = self.tried[1:]
        if any(fit.differs_from(best) and not best.is_better_than(fit) for fit in others):
            return (
                f"{images} images do not tell which image spec is right. {self.told()} Give "
                "--check more images, or name the right one with --image-spec."
            )
        return None

    def confirmed(self, given: ImageSpec) -> None:
        """Raises SpecError if another one is certainly better."""
        mine = next((fit for fit in self.tried if fit.spec == given), None)
        if mine is not None and self.best.has_more_right_than(mine):
            do = (
                "which of the others is right they do not tell: name that, or give --check more"
                if self._doubt()
                else f"give --image-spec {self.best.spec.name}"
            )
            raise SpecError(
                f"Image spec {given.name} is not the one that fits best. {self.told()} With "
                f"{given.name} {mine.share:.1%} are: {do}."
            )


def _mean(loss: NDArray[np.float64] | None) -> float:
    return 0.0 if loss is None else float(loss.mean())
