"""Whether a model is likely to have become worse, without a single label.

Two copies of the classifier were trained on one half of its training data each. Where classifier
and copies are on known ground, they agree; where they answer from habit, each has its own.
That the disagreement of such copies tells the error was found by Nakkiran and Bansal,
Distributional Generalization (2020), and Jiang et al., Assessing Generalization of SGD via
Disagreement (2022, https://arxiv.org/abs/2106.13799). It is a reason to look, never an accuracy: it
is wrong by several points, and blind where all three make the same mistake.

Measured with ``bench.harm``, windows of 500, over all recipes: of those whose accuracy dropped by
more than 5 points, 77 % are flagged on the digits and 41 % on drawn shapes, whose copies differ
little; of the others fewer than 1 %, with an SVC 2 %. A logistic regression and a neural network
give nearly all inverted digits one label, as their copies do: four of five such windows pass. So do
most of which one image in ten is inverted. Both are for drift, and the check of polarity, to see.
"""

from collections.abc import Sequence
from itertools import zip_longest
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from scipy.stats import norm

from images.spec import ImageSpec
from models.reference import Reference
from models.runtime import Runtime
from monitor.phrasing import percent
from monitor.proportions import Share
from records.reports import State

LABELS = 100
"""So many give an accuracy of 90 % within 6 points."""

_CHUNK = 256


class HarmSettings(BaseModel):
    """``drop``: of the accuracy, as a share, that counts as harm; ``level``: how sure to be that
    the disagreement grew by more than that, one-sided; ``least``: images below which there is no
    answer."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    drop: float = Field(default=0.05, gt=0, lt=1)
    level: float = Field(default=0.975, gt=0.5, lt=1)
    least: int = Field(default=50, ge=10)


class Estimate(NamedTuple):
    """``excess``: dissent in the window less that in the reference; ``surely``: its lower bound;
    ``harmed``: whether that is above the drop that counts."""

    excess: float
    surely: float
    harmed: bool


class HarmReport(BaseModel):
    """What the half copies say of a window.

    ``window`` and ``reference``: shares of images on which the classifier and its copies do not all
    agree; ``excess``: the first less the second, ``surely``: its lower bound, ``threshold``: above
    which that is harm suspected, the state ``alarm``. ``dissenting``: the rows of the window they
    disagree about; ``label_first``: the rows to label.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

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
        """Whether labels should be got."""
        return self.state == "alarm"


def suspect(
    reference: Reference | None,
    halves: tuple[Runtime, Runtime] | None,
    spec: ImageSpec,
    pixels: NDArray[np.uint8],
    probabilities: NDArray[np.float32],
    weights: NDArray[np.float64] | None = None,
    *,
    settings: HarmSettings | None = None,
    without: str | None = None,
) -> HarmReport:
    """What the halves of a version say of a window.

    ``pixels``: uint8 [n, F]; ``probabilities``: float32 [n, C], the version's own answers;
    ``weights``: float64 [n], 1 / the probability with which each was recorded. ``without``: the
    manifest's reason why there are no halves. The state is ``unknown`` without halves, or with too
    few images; it still names rows worth labelling, by how close the best two classes are.
    """
    rule = settings or HarmSettings()
    nothing = HarmReport(state="unknown", reason="", images=len(pixels), threshold=rule.drop)
    if not len(pixels):
        return nothing.model_copy(update={"reason": "There are no images."})
    if halves is None or reference is None or reference.halves is None:
        reason = f"The version has no half copies to compare with. {without or ''}".rstrip()
        rows = label_first(probabilities, np.zeros(len(pixels), dtype=bool))
        return nothing.model_copy(update={"reason": reason, "label_first": rows})
    mask = dissent(probabilities, *(_answers(half, spec, pixels) for half in halves))
    found = Share.of(mask, weights)
    before = Share.of(dissent(reference.probabilities, *reference.halves))
    report = nothing.model_copy(
        update={
            "dissenting": tuple(np.flatnonzero(mask).tolist()),
            "label_first": label_first(probabilities, mask),
        }
    )
    if min(found.size, before.size) < rule.least:
        which = "the window" if found.size < rule.least else "the reference"
        reason = f"{which.capitalize()} has too few images to tell: {rule.least} are the least."
        return report.model_copy(update={"reason": reason})
    excess, surely, harmed = estimate(found, before, rule)
    return report.model_copy(
        update={
            "state": "alarm" if harmed else "calm",
            "reason": _reason(found.value, before.value, harmed, rule.drop),
            "window": found.value,
            "reference": before.value,
            "excess": excess,
            "surely": surely,
        }
    )


def estimate(window: Share, reference: Share, rule: HarmSettings) -> Estimate:
    """Whether dissent grew by more than ``rule.drop``, from its shares in both.

    The bound is the normal one of a difference of independent shares. A bound, not the estimate,
    decides: the latter flags one window in twenty whose drop is smaller.
    """
    excess = window.value - reference.value
    spread = float(np.sqrt(window.variance + reference.variance))
    surely = excess - float(norm.ppf(rule.level)) * spread
    return Estimate(excess, surely, surely > rule.drop)


def dissent(*answers: NDArray[np.float32]) -> NDArray[np.bool_]:
    """bool [n]: where the most probable class is not the same in all; each float32 [n, C]."""
    best = np.stack([one.argmax(axis=1) for one in answers])
    return np.asarray((best != best[0]).any(axis=0))


def label_first(
    probabilities: NDArray[np.float32], mask: NDArray[np.bool_], count: int = LABELS
) -> tuple[int, ...]:
    """Rows to label, the most telling first: half of them with dissent, half by chance without.

    Those with dissent take turns by predicted class, and begin where the best two classes are
    closest. The others are a random sample, the same for the same window: without them an accuracy
    would be that of the hardest images alone. Where there is no dissent at all, the first half are
    those whose best two classes are closest.
    """
    best = np.sort(probabilities, axis=1)
    margin = best[:, -1] - best[:, -2]
    telling = np.flatnonzero(mask) if mask.any() else np.argsort(margin)[: count // 2]
    queues = [
        chosen[np.argsort(margin[chosen], kind="stable")].tolist()
        for chosen in _by_class(telling, probabilities)
    ]
    hard = _in_turns(queues)[: count - count // 2]
    others = np.flatnonzero(~mask)
    easy = np.random.default_rng(len(mask)).permutation(others[~np.isin(others, hard)]).tolist()
    return _mixed(hard, easy[: count - len(hard)])


def _by_class(
    rows: NDArray[np.int64], probabilities: NDArray[np.float32]
) -> list[NDArray[np.int64]]:
    predicted = probabilities[rows].argmax(axis=1)
    return [rows[predicted == place] for place in np.unique(predicted)]


def _in_turns(queues: Sequence[Sequence[int]]) -> list[int]:
    return [row for turn in zip_longest(*queues) for row in turn if row is not None]


def _mixed(first: Sequence[int], second: Sequence[int]) -> tuple[int, ...]:
    return tuple(_in_turns((first, second)))


def _answers(half: Runtime, spec: ImageSpec, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    chunks = [
        half.run(spec.features(pixels[start : start + _CHUNK])).scores
        for start in range(0, len(pixels), _CHUNK)
    ]
    return np.concatenate(chunks)


def _reason(window: float, reference: float, harmed: bool, drop: float) -> str:
    text = (
        f"The model and its half copies disagree about {percent(window)} of these images, "
        f"and about {percent(reference)} of the reference"
    )
    if not harmed:
        return f"{text}: no sign of harm, which does not prove that there is none."
    return (
        f"{text}: harm is suspected, a drop of more than {100 * drop:.0f} points of accuracy. "
        f"About {LABELS} labels would tell, of the records named first."
    )
