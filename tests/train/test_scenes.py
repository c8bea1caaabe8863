import numpy as np
from numpy.typing import NDArray

from images.spec import ImageSpec
from train.dataset import Dataset, split
from train.near import NearDuplicates
from train.scenes import Scenes


def dataset(targets: list[str], **others: NDArray[np.generic]) -> Dataset:
    pixels = np.zeros((len(targets), 1), np.uint8)
    spec = ImageSpec.parse("gray-1x1")
    return Dataset(pixels, np.array(targets), "scenes", spec, **others)  # type: ignore[arg-type]


def near(groups: list[int]) -> NearDuplicates:
    array = np.array(groups, np.int64)
    return NearDuplicates(array, int((np.bincount(array)[array] > 1).sum()))


def text(scenes: Scenes, data: Dataset) -> str:
    return " ".join(scenes.notes(data))


def test_no_scene_is_on_both_sides() -> None:
    data = dataset(["a", "b"] * 20)
    scenes = Scenes.of(data, near([row // 4 * 2 + row % 2 for row in range(40)]))
    assert scenes.groups is not None
    parts = split(dataset(["a", "b"] * 20, groups=scenes.groups), 0.2, 0)
    assert parts.train.groups is not None
    assert parts.holdout.groups is not None
    assert not set(parts.train.groups) & set(parts.holdout.groups)
    assert set(parts.train.labels) == set(parts.holdout.labels) == {"a", "b"}


def test_groups_of_the_data_are_kept() -> None:
    data = dataset(["a"] * 9, groups=np.array(["day 1", "day 1", *"bcdefgh"]))
    groups = Scenes.of(data, near([0, 1, 1, 3, 4, 5, 6, 7, 8])).groups
    assert groups is not None
    assert groups[0] == groups[1] == groups[2] != groups[3]
    assert len(set(groups.tolist())) == 7


def test_without_near_duplicates_nothing_is_said() -> None:
    data = dataset(["a", "b"])
    scenes = Scenes.of(data, near([0, 1]))
    assert (scenes.groups, scenes.notes(data)) == (None, [])


def test_a_class_that_is_one_burst_is_split_photo_by_photo() -> None:
    data = dataset(["a"] * 40 + ["b"] * 9)
    scenes = Scenes.of(data, near([*range(40), *[40] * 9]))
    assert (scenes.groups, scenes.torn) == (None, 9)
    assert "Warning: 9 photos are nearly alike and about all that their class" in text(scenes, data)


def test_other_bursts_stay_together_where_one_cannot() -> None:
    data = dataset(["a"] * 40 + ["b"] * 9)
    scenes = Scenes.of(data, near([0, 0, *range(1, 39), *[39] * 9]))
    assert scenes.groups is not None
    assert scenes.groups[0] == scenes.groups[1]
    assert len(set(scenes.groups.tolist())) == 48


def test_a_group_that_the_data_give_is_never_torn() -> None:
    own = np.array(["cat"] * 5 + list("abcde"))
    data = dataset(["a"] * 5 + ["b"] * 5, groups=own)
    scenes = Scenes.of(data, near([0, 0, 0, 0, 0, 5, 6, 7, 8, 8]))
    assert scenes.torn == 0
    assert scenes.groups is not None
    assert len(set(scenes.groups[:5].tolist())) == 1


def test_days_that_near_duplicates_would_join_to_a_class_stay_apart() -> None:
    own = np.array(["monday"] * 3 + ["tuesday"] * 3 + list("abcdef"))
    data = dataset(["a"] * 6 + ["b"] * 6, groups=own)
    scenes = Scenes.of(data, near([0, 1, 2, 2, 3, 4, *range(5, 11)]))
    assert scenes.groups is not None
    assert len(set(scenes.groups.tolist())) == 8
    assert scenes.torn == 2


def test_few_scenes_are_told() -> None:
    data = dataset(["a"] * 20 + ["b"] * 20)
    scenes = Scenes.of(data, near([row // 5 for row in range(40)]))
    assert "Warning: 40 photos are of 8 scenes or groups only" in text(scenes, data)


def test_held_out_photos_of_scenes_that_are_trained_on_are_told() -> None:
    held = np.arange(60) % 3 == 0
    data = dataset(["a", "b"] * 30, held=held)
    scenes = Scenes.of(data, near([0, 0, 0, 1, 1, *range(2, 57)]))
    assert scenes.leaked == 2
    assert "Warning: 2 of 20 held-out photos are nearly like one that is" in text(scenes, data)
    assert "stay together, in one fold" in text(scenes, data)
