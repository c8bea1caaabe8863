"""What every training leaves behind to be honest by."""

import numpy as np
import pytest

from errors import ModelError
from images.spec import ImageSpec
from train.dataset import Dataset
from train.fit import train

SPEC = ImageSpec.parse("gray-4x4")


def dataset(per_class: int) -> Dataset:
    """Two classes of gray, with noise."""
    rng = np.random.default_rng(0)
    tones = np.repeat([80, 170], per_class)
    pixels = np.clip(tones[:, None] + rng.normal(0, 30, (len(tones), 16)), 0, 255)
    names = np.repeat(["dark", "light"], per_class)
    return Dataset(pixels.astype(np.uint8), names, "tones", SPEC)


def test_a_version_is_calibrated_and_knows_its_holdout() -> None:
    found = train(dataset(250), "logistic").candidate
    assert found.calibration is not None
    assert (found.calibration.images, found.calibration.folds) == (400, 3)
    assert found.honest is not None
    record = found.honest.record
    assert (record.images, record.compared, record.neighbours) == (100, 100, 400)
    assert set(record.limits) == {"0.05"}
    assert found.abstain is None


def test_the_same_training_is_as_honest() -> None:
    first, second = (train(dataset(60), "svc").candidate for _ in range(2))
    assert first.calibration == second.calibration
    assert first.honest is not None
    assert second.honest is not None
    assert first.honest.dump() == second.honest.dump()


def test_a_class_of_one_is_not_calibrated_and_says_so() -> None:
    whole = dataset(20)
    few = whole.take(np.array([*range(20), 20, 21]))
    result = train(few, "logistic")
    assert result.candidate.calibration is None
    assert any("not calibrated" in finding for finding in result.findings)


@pytest.mark.parametrize(("coverage", "fits"), [(0.9, True), (0.99, False)])
def test_it_abstains_only_by_what_the_holdout_states(coverage: float, fits: bool) -> None:
    if fits:
        assert train(dataset(60), "logistic", abstain=coverage).candidate.abstain == coverage
        return
    with pytest.raises(ModelError, match=r"24 images, which state coverages up to 0\.96: .* 99\."):
        train(dataset(60), "logistic", abstain=coverage)
