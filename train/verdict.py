"""What the person who trains should know about a version, beside its figures."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from cli import counted
from models.manifest import Label, Metrics

DRIFT_IMAGES: Final = 250
"""Held-out images that the monitor needs: five times the smallest window that it compares."""

WITHOUT_CALIBRATION: Final = (
    "Its probabilities are not calibrated: that takes two training images of each class, and two "
    "groups with every class if there are groups."
)

_FEW_OF_CLASS: Final = 20
_LEARNED: Final = 0.9
_TINY_SIDE: Final = 16
_UNBALANCED: Final = 10
_ALIKE: Final = 0.7


@dataclass(frozen=True)
class Circumstances:
    """What may explain a poor version. ``learned``: its accuracy on what it was trained on;
    ``side``: of the images that it sees, in pixels; ``given``: whether the data say what is held
    out; ``grouped``: whether groups are kept whole."""

    trained: dict[str, int]
    learned: float
    side: int
    given: bool
    grouped: bool


def baseline(metrics: Metrics) -> tuple[Label, float]:
    """The largest class of the holdout, and how often guessing it would be right."""
    sizes = [entry.images for entry in metrics.classes]
    largest = max(range(len(sizes)), key=sizes.__getitem__)
    return metrics.classes[largest].label, sizes[largest] / metrics.images


def is_guessing(metrics: Metrics) -> bool:
    """Whether the interval of its accuracy does not exclude that of guessing the largest class."""
    return metrics.accuracy.low <= baseline(metrics)[1]


def on_accuracy(metrics: Metrics, about: Circumstances) -> list[str]:
    """A sentence if the version is no better than guessing, with the likely reasons."""
    if not is_guessing(metrics):
        return []
    label, share = baseline(metrics)
    guessing = f"guessing the largest class ({label}, {share:.1%})"
    why = "; ".join(_reasons(metrics, about))
    if metrics.accuracy.value > share:
        return [f"It is not certainly better than {guessing}. Likely: {why}."]
    return [f"It is no better than {guessing}. Likely: {why}."]


def _reasons(metrics: Metrics, about: Circumstances) -> list[str]:
    found = []
    rarest = min(about.trained, key=about.trained.__getitem__)
    if metrics.accuracy.value > baseline(metrics)[1]:
        few = "held-out images are" if metrics.images > 1 else "held-out image is"
        found.append(f"{metrics.images:,} {few} too few to tell")
    if about.trained[rarest] < _FEW_OF_CLASS:
        few = counted(about.trained[rarest], "image")
        found.append(f"class {rarest} has only {few} to train on")
    if max(about.trained.values()) > _UNBALANCED * about.trained[rarest]:
        found.append("some classes have ten times as many images as others")
    if about.learned < _LEARNED:
        found.append(
            f"even of the images it was trained on it gets only {about.learned:.1%} right, so that "
            "labels may not follow from the pixels: look whether they are right"
        )
    elif about.given:
        found.append("the images that are held out may be of another kind than the others")
    elif about.grouped:
        found.append("the groups may have little in common")
    else:
        found.append(
            "it has learned its training images by heart: it needs more of them, or what tells "
            "the classes apart is small in them"
        )
    if about.side < _TINY_SIDE:
        found.append(f"it sees {about.side} pixels a side: try a larger --image-spec")
    return found


def on_groups(groups: NDArray[Any] | None) -> list[str]:
    """A sentence if the interval of the accuracy is much wider than that of so many images;
    ``groups``: [N], of those held out."""
    count = 0 if groups is None else len(np.unique(groups))
    if groups is None or count > _ALIKE * len(groups):
        return []
    sentence = (
        f"The {counted(len(groups), 'held-out image')} are of {counted(count, 'group')}, and the "
        f"interval is that of {counted(count, 'image')}: those of one group may all be right or "
        "wrong together."
    )
    return [sentence]


def on_holdout(metrics: Metrics, *, given: bool) -> list[str]:
    """A sentence if the monitor will be unable to see drift."""
    if metrics.images >= DRIFT_IMAGES:
        return []
    more = "hold out more" if given else "add images or hold out more with --holdout"
    sentence = (
        f"The monitor will not see drift: {counted(metrics.images, 'image')} "
        f"{'is' if metrics.images == 1 else 'are'} held out, and it needs "
        f"{DRIFT_IMAGES}; {more}."
    )
    return [sentence]


def on_calibration(error: float, *, is_poor: bool, is_done: bool) -> list[str]:
    """``error``: the calibration error of the held-out images, and whether it ``is_poor``;
    ``is_done``: whether the probabilities were calibrated."""
    off = f"Its probabilities are off by {error:.2f} on average"
    if not is_done:
        return [*([f"{off}: do not rely on them."] if is_poor else []), WITHOUT_CALIBRATION]
    if not is_poor:
        return []
    return [f"{off}, though they were calibrated on the training images: do not rely on them."]
