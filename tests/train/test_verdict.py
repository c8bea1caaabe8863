import numpy as np
import pytest

from models.manifest import Metrics
from monitor.drift.detector import DriftSettings
from train.evaluate import evaluate
from train.verdict import (
    DRIFT_IMAGES,
    Circumstances,
    baseline,
    is_guessing,
    on_accuracy,
    on_calibration,
    on_groups,
    on_holdout,
)


def metrics(right: int, cats: int = 30, dogs: int = 10) -> Metrics:
    """Of the cats first, then of the dogs, ``right`` are."""
    truth = np.repeat([0, 1], [cats, dogs])
    predicted = np.where(np.arange(len(truth)) < right, truth, 1 - truth)
    probabilities = np.where(np.eye(2)[predicted] > 0, 0.9, 0.1)
    return evaluate(("cat", "dog"), truth, probabilities)


def about(**changes: object) -> Circumstances:
    fields: dict[str, object] = {
        "trained": {"cat": 90, "dog": 30},
        "learned": 1.0,
        "side": 64,
        "given": False,
        "grouped": False,
    }
    return Circumstances(**(fields | changes))  # type: ignore[arg-type]


def test_the_baseline_is_the_largest_class() -> None:
    assert baseline(metrics(40)) == ("cat", 0.75)


def test_a_good_version_is_not_talked_about() -> None:
    assert not is_guessing(metrics(39))
    assert on_accuracy(metrics(39), about()) == []


def test_no_better_than_guessing() -> None:
    (sentence,) = on_accuracy(metrics(30), about())
    assert sentence.startswith(
        "It is no better than guessing the largest class (cat, 75.0%). Likely: "
    )


def test_not_certainly_better() -> None:
    (sentence,) = on_accuracy(metrics(33), about())
    assert "not certainly better than guessing" in sentence
    assert "40 held-out images are too few to tell" in sentence


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"trained": {"cat": 90, "dog": 5}}, "class dog has only 5 images to train on"),
        ({"trained": {"cat": 900, "dog": 25}}, "ten times as many images"),
        ({"learned": 0.7}, "it gets only 70.0% right, so that labels may not follow"),
        ({"given": True}, "of another kind"),
        ({"grouped": True}, "little in common"),
        ({}, "by heart"),
        ({"side": 8}, "it sees 8 pixels a side: try a larger --image-spec"),
    ],
)
def test_likely_reasons(changes: dict[str, object], reason: str) -> None:
    assert reason in on_accuracy(metrics(20), about(**changes))[0]


def test_the_monitor_needs_as_many_as_are_asked_for() -> None:
    settings = DriftSettings()
    assert settings.ratio * settings.min_images == DRIFT_IMAGES


def test_a_holdout_too_small_for_drift_is_told() -> None:
    (sentence,) = on_holdout(metrics(40), given=False)
    assert "40 images are held out, and it needs 250; add images or hold out more" in sentence
    assert on_holdout(metrics(250, cats=200, dogs=50), given=False) == []


def test_poor_probabilities_are_told() -> None:
    (sentence,) = on_calibration(0.39, is_poor=True, is_done=True)
    assert "off by 0.39 on average, though they were calibrated" in sentence
    assert on_calibration(0.02, is_poor=False, is_done=True) == []


def test_what_is_not_calibrated_is_not_said_to_be() -> None:
    poor = on_calibration(0.39, is_poor=True, is_done=False)
    assert "though they were calibrated" not in "".join(poor)
    assert poor[1:] == on_calibration(0.02, is_poor=False, is_done=False)


def test_images_of_few_groups_are_told() -> None:
    groups = np.array(["monday", "monday", "tuesday"])
    (sentence,) = on_groups(groups)
    assert "The 3 held-out images are of 2 groups, and the interval is that of 2 images" in sentence
    assert on_groups(None) == on_groups(np.array(["monday", "tuesday"])) == []


def test_one_image_is_one() -> None:
    few = about(trained={"cat": 90, "dog": 1})
    (sentence,) = on_accuracy(metrics(1, cats=1, dogs=0), few)
    assert "class dog has only 1 image to train on" in sentence
    (sentence,) = on_holdout(metrics(1, cats=1, dogs=0), given=False)
    assert "1 image is held out" in sentence
