"""What a training keeps for the monitor and for the next training."""

import numpy as np

from images.spec import ImageSpec
from train.dataset import Dataset, Split
from train.reference import images_of

SPEC = ImageSpec.parse("digits")


def part(count: int, groups: list[str] | None = None) -> Dataset:
    given = None if groups is None else np.array(groups)
    pixels = np.zeros((count, SPEC.n_features), np.uint8)
    return Dataset(pixels, np.arange(count), "some", SPEC, groups=given)


def test_groups_are_those_of_their_images_where_only_one_part_has_some() -> None:
    grouped = part(2, ["film", "film"])
    assert images_of(Split(part(3), grouped)).groups == ("", "", "", "film", "film")
    assert images_of(Split(grouped, part(1))).groups == ("film", "film", "")
    assert images_of(Split(part(1), part(1))).groups == ("", "")
