from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from images.spec import ImageSpec
from train.dataset import Dataset, split
from train.near import NearDuplicates


def scenes(count: int, copies: int, seed: int = 0) -> NDArray[np.float32]:
    """Random directions, of which each of the first ``copies`` is there three times, nearly."""
    random = np.random.default_rng(seed)
    found = random.normal(0, 1, (count, 64))
    burst = np.repeat(found[:copies], 2, axis=0) + random.normal(0, 0.02, (2 * copies, 64))
    return np.concatenate([found, burst]).astype(np.float32)


def test_bursts_are_groups() -> None:
    near = NearDuplicates.of(scenes(100, 10))
    assert near.photos == 30
    assert len(np.unique(near.groups)) == 100
    assert near.groups[3] == near.groups[106] == near.groups[107]


def test_photos_that_are_all_alike_are_no_burst() -> None:
    random = np.random.default_rng(0)
    alike = np.ones((100, 64)) + random.normal(0, 1e-3, (100, 64))
    assert NearDuplicates.of(alike.astype(np.float32)).photos == 0


def test_one_photo_over_and_over_is_no_burst() -> None:
    assert NearDuplicates.of(np.ones((50, 8), np.float32)).photos == 0


def test_no_scene_is_on_both_sides() -> None:
    embeddings = scenes(60, 20)
    targets = np.array(["a", "b"])[np.arange(len(embeddings)) % 60 % 2]
    targets[60:] = np.repeat(targets[:20], 2)
    pixels = np.zeros((len(targets), 1), np.uint8)
    data = Dataset(pixels, targets, "scenes", ImageSpec.parse("gray-1x1"), embeddings=embeddings)
    near = NearDuplicates.of(embeddings)
    parts = split(replace(data, groups=near.applied(data)), 0.3, 0)
    assert parts.train.groups is not None
    assert parts.holdout.groups is not None
    assert not set(parts.train.groups) & set(parts.holdout.groups)
    assert set(parts.train.labels) == set(parts.holdout.labels) == {"a", "b"}


def test_groups_of_the_data_are_kept() -> None:
    embeddings = scenes(20, 2)
    groups = np.array([f"day {row}" for row in range(len(embeddings))])
    groups[5] = groups[0]
    data = Dataset(
        np.zeros((len(groups), 1), np.uint8),
        np.array(["a"] * len(groups)),
        "scenes",
        ImageSpec.parse("gray-1x1"),
        groups=groups,
        embeddings=embeddings,
    )
    both = NearDuplicates.of(embeddings).applied(data)
    assert both is not None
    assert both[5] == both[0] == both[20] == both[21]
    assert both[1] != both[0]
