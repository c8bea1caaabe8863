"""Whether a model has probably become worse, without any labels.

Two copies of the classifier were each trained on one half of its training data. On images like
those of the training, the classifier and its copies agree; on others each one extrapolates
differently. That the disagreement of such copies follows the error was found by Nakkiran and
Bansal, Distributional Generalization (2020), and Jiang et al., Assessing Generalization of SGD via
Disagreement (2022, https://arxiv.org/abs/2106.13799). It is a reason to collect labels, never an
accuracy: it is off by several points, and blind where all three make the same mistake.

Measured with ``bench.harm``, windows of 500, over all recipes: of those whose accuracy dropped by
more than 5 points, 77% are flagged on the digits and 41% on drawn shapes, whose copies differ
little; of the others fewer than 1%, with an SVC 2%. A logistic regression and a neural network give
nearly all inverted digits one label, and so do their copies: four of five such windows are missed.
So are most windows in which one image in ten is inverted. The drift views and the polarity check
cover both.
"""

from collections.abc import Sequence
from itertools import zip_longest
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.stats import norm

from images.spec import ImageSpec
from models.reference import Reference
from models.runtime import Runtime
from monitor.frozen import Frozen
from monitor.phrasing import percent
from monitor.proportions import Proportion
from monitor.window.version import Inputs, outputs_of
from records.reports import State

LABELS = 100
"""This many labels give an accuracy of 90% within 6 points."""


class HarmSettings(Frozen):
    """``drop``: of the accuracy, as a proportion, that counts as harm; ``level``: the one-sided
    confidence that the disagreement grew by more than that; ``min_images``: fewer are not
    judged."""

    drop: float = Field(default=0.05, gt=0, lt=1)
    level: float = Field(default=0.975, gt=0.5, lt=1)
    min_images: int = Field(default=50, ge=10)


class Estimate(NamedTuple):
    """``excess``: disagreement in the window minus that in the reference; ``lower_bound``: of its
    confidence interval; ``harmed``: whether that bound is above the drop that counts as harm."""

    excess: float
    lower_bound: float
    harmed: bool


class HarmReport(Frozen):
    """What the half-data copies reveal about a window.

    ``window`` and ``reference``: proportions of images on which the classifier and its copies do
    not all agree; ``excess``: the first minus the second, ``surely``: its lower bound; harm is
    suspected, the state ``alarm``, if that is above ``threshold``. ``dissenting``: rows of the
    window with disagreement; ``label_first``: rows to label.
    """

    state: State
    reason: str
    images: int
    window: float | None = None
    reference: float | None = None
    excess: float | None = None
    surely: float | None = None
    threshold: float
    dissenting: tuple[int, ...] = ()
    label_first: tuple[int, ...] = ()

    @property
    def suspected(self) -> bool:
        """Whether labels are needed to confirm a drop in accuracy."""
        return self.state == "alarm"


def suspect(
    reference: Reference | None,
    halves: tuple[Runtime, Runtime] | None,
    spec: ImageSpec,
    inputs: Inputs,
    outputs: NDArray[np.float32],
    weights: NDArray[np.float64] | None = None,
    *,
    settings: HarmSettings | None = None,
    without: str | None = None,
    own: NDArray[np.bool_] | None = None,
) -> HarmReport:
    """Compare how often the version and its half-data copies disagree, in a window and before.

    ``inputs``: uint8 [n, F], or embeddings; ``outputs``: float32 [n, C], the version's own answers;
    ``weights``: float64 [n], 1 / the probability with which each was recorded; ``without``: the
    manifest's reason why there are no copies; ``own``: bool [n], the images that may be listed to
    be labelled, by default all. Without copies, or with too few images, the state is ``unknown``;
    without copies the rows to label are drawn from all.
    """
    settings = settings or HarmSettings()
    empty = HarmReport(state="unknown", reason="", images=len(inputs), threshold=settings.drop)
    if not len(inputs):
        return empty.model_copy(update={"reason": "There are no images."})
    if halves is None or reference is None or reference.halves is None:
        reason = f"The version has no half-data copies to compare with. {without or ''}".rstrip()
        rows = label_first(outputs, np.zeros(len(inputs), dtype=bool), own)
        return empty.model_copy(update={"reason": reason, "label_first": rows})
    answers = [outputs_of(half, spec, inputs, outputs.shape[1]) for half in halves]
    mask = disagreement(outputs, *answers)
    now = Proportion.of(mask, weights)
    before = Proportion.of(disagreement(reference.probabilities, *reference.halves))
    report = empty.model_copy(
        update={
            "dissenting": tuple(np.flatnonzero(mask).tolist()),
            "label_first": label_first(outputs, mask, own),
        }
    )
    if min(now.size, before.size) < settings.min_images:
        which = "window" if now.size < settings.min_images else "reference"
        reason = f"The {which} has too few images: at least {settings.min_images} are needed."
        return report.model_copy(update={"reason": reason})
    excess, lower_bound, harmed = estimate(now, before, settings)
    return report.model_copy(
        update={
            "state": "alarm" if harmed else "calm",
            "reason": _reason(now.value, before.value, harmed, settings.drop),
            "window": now.value,
            "reference": before.value,
            "excess": excess,
            "surely": lower_bound,
        }
    )


def estimate(window: Proportion, reference: Proportion, settings: HarmSettings) -> Estimate:
    """Whether the proportion of disagreement grew by more than ``settings.drop``.

    The bound is the normal one of a difference of independent proportions. The bound decides, not
    the excess itself, which flags one window in twenty whose drop is smaller.
    """
    excess = window.value - reference.value
    spread = float(np.sqrt(window.variance + reference.variance))
    lower_bound = excess - float(norm.ppf(settings.level)) * spread
    return Estimate(excess, lower_bound, lower_bound > settings.drop)


def disagreement(*outputs: NDArray[np.float32]) -> NDArray[np.bool_]:
    """bool [n]: where the top class is not the same in all outputs, each float32 [n, C]."""
    top = np.stack([output.argmax(axis=1) for output in outputs])
    return np.asarray((top != top[0]).any(axis=0))


def label_first(
    outputs: NDArray[np.float32],
    mask: NDArray[np.bool_],
    own: NDArray[np.bool_] | None = None,
    count: int = LABELS,
) -> tuple[int, ...]:
    """Rows to label: half with disagreement (``mask``, bool [n]), half without, in turns; ``own``:
    bool [n], the rows that may be listed; ``outputs``: float32 [n, C].

    Each half is drawn at random, so that its labels say how often the model is right where there is
    disagreement, and where not. Those closest to another class would be wrong more often than the
    rest of their half, by up to 15 points of the accuracy, which no weights correct. The same for
    the same window.
    """
    ordered = np.sort(outputs, axis=1)
    margin = ordered[:, -1] - ordered[:, -2]
    listed = np.ones(len(mask), dtype=bool) if own is None else own
    rng = np.random.default_rng(len(mask))
    hard, easy = (np.flatnonzero(rows & listed) for rows in (mask, ~mask))
    many = min(len(hard), max(count // 2, count - len(easy)))
    return tuple(
        _interleaved([_drawn(hard, many, margin, rng), _drawn(easy, count - many, margin, rng)])
    )


def _drawn(
    rows: NDArray[np.int64], count: int, margin: NDArray[np.float32], rng: np.random.Generator
) -> list[int]:
    """At most ``count`` of the rows, each with the same probability, in random order.

    At equal distances by its margin, from a random start, so that no sample has hard ones alone
    (systematic sampling: Madow and Madow, Annals of Mathematical Statistics 15, 1944).
    """
    if len(rows) > count:
        # Among equal margins, at random too.
        rows = rng.permutation(rows)
        rows = rows[np.argsort(margin[rows], kind="stable")]
        places = (np.arange(count) + rng.random()) * len(rows) / max(count, 1)
        rows = rows[np.minimum(places.astype(np.int64), len(rows) - 1)]
    return [int(row) for row in rng.permutation(rows)]


def _interleaved(queues: Sequence[Sequence[int]]) -> list[int]:
    return [row for turn in zip_longest(*queues) for row in turn if row is not None]


def _reason(window: float, reference: float, harmed: bool, drop: float) -> str:
    text = (
        f"The model and its two half-data copies disagree on {percent(window)} of the images "
        f"(reference: {percent(reference)})"
    )
    if not harmed:
        return f"{text}. There is no sign of a drop in accuracy, but only labels can rule it out."
    return (
        f"{text}. This suggests an accuracy drop of more than {100 * drop:.0f} points; to confirm "
        f'it, label about {LABELS} images, starting with those under "Label these first".'
    )
