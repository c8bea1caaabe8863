import numpy as np
import pytest

from errors import DatasetError
from images.spec import ImageSpec
from train.dataset import Dataset, split

GRAY = ImageSpec.parse("gray-8x8")


def labelled(*counts: int) -> Dataset:
    targets = np.repeat(np.arange(len(counts)), counts)
    pixels = np.arange(len(targets) * 64).astype(np.uint8).reshape(-1, 64)
    return Dataset(pixels, targets, "made up", GRAY)


def test_the_fingerprint_covers_pixels_and_labels() -> None:
    dataset = labelled(3, 3)
    pixels = dataset.pixels[:].copy()
    pixels[0, 0] ^= 1
    targets = dataset.targets[::-1].copy()
    others = [
        Dataset(pixels, dataset.targets, "", GRAY),
        Dataset(dataset.pixels, targets, "", GRAY),
        Dataset(dataset.pixels, dataset.targets.astype(str), "", GRAY),
    ]
    assert labelled(3, 3).sha256 == dataset.sha256
    assert len({dataset.sha256, *(other.sha256 for other in others)}) == 4


@pytest.mark.parametrize("holdout", [0.01, 0.2, 0.5, 0.99])
def test_every_class_is_in_both_parts(holdout: float) -> None:
    parts = split(labelled(2, 3, 100), holdout, seed=0)
    assert parts.train.labels == parts.holdout.labels == (0, 1, 2)


def test_the_parts_share_no_image_and_lose_none() -> None:
    dataset = labelled(10, 20)
    parts = split(dataset, 0.3, seed=0)
    assert parts.holdout.counts == {"0": 3, "1": 6}
    together = np.concatenate([parts.train.pixels, parts.holdout.pixels])
    assert sorted(map(bytes, together)) == sorted(map(bytes, dataset.pixels))


def test_the_seed_decides_the_split() -> None:
    first, again, other = (split(labelled(50, 50), 0.2, seed=seed).holdout for seed in (1, 1, 2))
    assert first.sha256 == again.sha256 != other.sha256


@pytest.mark.parametrize("holdout", [0.0, 1.0, -0.2, 1.5, float("nan")])
def test_a_holdout_that_is_not_a_proportion(holdout: float) -> None:
    with pytest.raises(DatasetError, match="between 0 and 1"):
        split(labelled(5, 5), holdout, seed=0)


def test_a_class_of_one_cannot_be_split() -> None:
    with pytest.raises(DatasetError, match="Class 1 of made up has a single image"):
        split(labelled(5, 1), 0.2, seed=0)
