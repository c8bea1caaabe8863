"""How much more photos would help: the error of a classifier by how many it was trained on.

The error falls about as a power of their number: Cortes, Jackel, Solla, Vapnik and Denker, Learning
curves: Asymptotic values and rate of convergence (NIPS 1993); Hestness et al., Deep Learning
Scaling is Predictable, Empirically (2017), https://arxiv.org/abs/1712.00409.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from cli import counted
from train.augmenting import Variants
from train.calibration import bare
from train.data_size import DataSize
from train.dataset import OnProgress, Split
from train.drawing import TITLE_INCHES, Drawing, reproducible
from train.recipes import recipe

SHARES: Final = (0.15, 0.3, 0.5, 0.75, 1.0)
DRAWS: Final = 4
FEW: Final = 20
"""Held-out photos of which one is more than what twice as many to train on usually bring."""
_WIDTH: Final = 6.0
_HEIGHT: Final = 3.2
_LEFT, _BOTTOM = 0.75, 0.6


@dataclass(frozen=True)
class LearningCurve:
    """``images`` to train on, and the ``accuracy`` on the holdout, the mean of several draws;
    ``exponent`` and ``factor``: of the error, ``factor * images ** -exponent``; ``held``: how many
    are held out."""

    images: tuple[int, ...]
    accuracy: tuple[float, ...]
    factor: float
    exponent: float
    held: int

    def at(self, images: int) -> float:
        """The accuracy to expect of a training with so many."""
        return 1 - min(1.0, float(self.factor * images**-self.exponent))

    @property
    def outlook(self) -> Literal["few", "flat", "rising"]:
        """Whether it can be told that more would help: ``few``: not by so few held-out photos;
        ``flat``: with four times as many, less than half of one of them more would be right."""
        if self.held < FEW:
            return "few"
        gain = self.at(4 * self.images[-1]) - self.accuracy[-1]
        return "flat" if self.exponent < 0.02 or gain * self.held < 0.5 else "rising"

    @property
    def sentence(self) -> str:
        now, most = self.images[-1], self.accuracy[-1]
        if self.outlook == "few":
            return (
                f"Whether more photos would help cannot be told by {counted(self.held, 'photo')} "
                f"held out, of which {most:.1%} are right with {now:,} to train on: hold out {FEW} "
                "at least."
            )
        if self.outlook == "flat":
            return (
                f"More photos of the same kind would hardly help: {most:.1%} of the held-out ones "
                f"are right with {now:,}, and {self.accuracy[-2]:.1%} with {self.images[-2]:,}."
            )
        return (
            f"With twice as many photos, {2 * now:,} to train on, about "
            f"{max(most, self.at(2 * now)):.1%} would be right instead of {most:.1%}; with four "
            f"times as many {max(most, self.at(4 * now)):.1%}."
        )

    @property
    def subtitle(self) -> str:
        """The same in a line of the picture."""
        now, most = self.images[-1], self.accuracy[-1]
        if self.outlook == "few":
            return f"{most:.1%} right with {now:,}; {self.held} held out are too few to tell more"
        if self.outlook == "flat":
            return f"{most:.1%} right with {now:,}; more of the same kind would hardly help"
        then = max(most, self.at(2 * now))
        return f"{most:.1%} right with {now:,}, about {then:.1%} with {2 * now:,}"

    def picture(self) -> bytes:
        low = np.floor(min(self.accuracy) * 10 - 0.5) / 10
        most = self.images[-1] * 4

        def place(images: float, accuracy: float) -> tuple[float, float]:
            across = np.log(images / self.images[0]) / np.log(most / self.images[0])
            return (
                _LEFT + float(across) * (_WIDTH - _LEFT - 0.3),
                _BOTTOM + (accuracy - low) / (1 - low) * (_HEIGHT - _BOTTOM),
            )

        with reproducible():
            drawing = Drawing(_WIDTH, _HEIGHT + TITLE_INCHES)
            drawing.title(0.2, "What more photos would bring", self.subtitle)
            for accuracy in np.arange(low, 1.001, 0.1):
                start, end = place(self.images[0], accuracy), place(most, accuracy)
                drawing.lines([(start, end)])
                drawing.text(start[0] - 0.1, start[1], f"{accuracy:.0%}", ha="right", va="center")
            for images in (*self.images, 2 * self.images[-1], most):
                at = place(images, low)
                drawing.text(at[0], at[1] - 0.2, f"{images:,}", ha="center", fontsize=8)
            drawing.text(_WIDTH / 2, 0.12, "photos to train on", ha="center")
            known = [place(*pair) for pair in zip(self.images, self.accuracy, strict=True)]
            steps = np.geomspace(self.images[0], most, 60)
            fitted = [place(float(one), self.at(int(one))) for one in steps]
            drawing.curve(fitted, dashed=True)
            drawing.curve(known, dots=True)
            return drawing.png()


def learning_curve(
    parts: Split,
    recipe_name: str,
    parameters: Mapping[str, Any],
    seed: int,
    on_progress: OnProgress,
    variants: Variants | None = None,
) -> LearningCurve | None:
    """Of the recipe on more and more of what is trained on, with the copies of each photo where
    there are ``variants``; None where even that is too little."""
    chosen, features, targets = recipe(recipe_name), parts.train.features(), parts.train.targets
    held, truth = parts.holdout.features(), parts.holdout.targets
    rarest = DataSize.of(targets).rarest
    shares = [share for share in SHARES if share * rarest >= 2]
    if len(shares) < 3:
        return None
    images, accuracy = [], []
    total = DRAWS * len(shares)
    for number, share in enumerate(shares):
        found = []
        # All of them are one draw.
        for draw in range(DRAWS if share < 1 else 1):
            on_progress(number * DRAWS + draw, total)
            rows = _drawn(targets, share, np.random.default_rng([seed, 6, draw]))
            inputs, labels = features[rows], targets[rows]
            if variants is not None:
                copies = np.isin(variants.rows, rows)
                inputs = np.concatenate([inputs, variants.embeddings[copies]])
                labels = np.concatenate([labels, targets[variants.rows[copies]]])
            built = chosen.build(seed, DataSize.of(labels)).set_params(**parameters)
            with threadpool_limits(1, user_api="blas"):
                estimator = bare(built).fit(inputs, labels)
                found.append(float((estimator.predict(held) == truth).mean()))
        images.append(len(rows))
        accuracy.append(float(np.mean(found)))
    on_progress(total, total)
    # No error at all has no logarithm: of n held-out photos, as if half of one were wrong.
    errors = np.maximum(1 - np.array(accuracy), 0.5 / len(truth))
    slope, intercept = np.polyfit(np.log(images), np.log(errors), 1)
    exponent = max(0.0, -float(slope))
    factor = float(np.exp(intercept)) if exponent else float(errors.mean())
    return LearningCurve(tuple(images), tuple(accuracy), factor, exponent, len(truth))


def _drawn(targets: NDArray[Any], share: float, random: np.random.Generator) -> NDArray[np.int64]:
    """Rows of this share of each class."""
    rows = [
        random.permutation(np.flatnonzero(targets == label))[
            : max(1, round(share * int((targets == label).sum())))
        ]
        for label in np.unique(targets)
    ]
    return np.sort(np.concatenate(rows)).astype(np.int64)
