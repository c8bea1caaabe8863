"""Decoded images that wait for a moment to be copied."""

import numpy as np
from PIL import Image

from images.decoding import Decoded
from serving.inference.reduced import ReducedImages


def decoded(side: int = 10) -> Decoded:
    return Decoded(Image.fromarray(np.zeros((side, side, 3), np.uint8)), 1)


def test_an_image_is_taken_once() -> None:
    images, data, image = ReducedImages(1000), bytes(1000), decoded()
    images.keep(data, image)
    assert images.take(data) is image
    assert images.take(data) is None


def test_an_equal_file_is_another() -> None:
    images = ReducedImages(1000)
    images.keep(bytes(bytearray(1000)), decoded())
    assert images.take(bytes(bytearray(1000))) is None


def test_the_newest_stay() -> None:
    images = ReducedImages(1000)
    files = [bytes(bytearray(1000 + number)) for number in range(5)]
    for data in files:
        images.keep(data, decoded())
    assert [images.take(data) is not None for data in files] == [False, False, True, True, True]


def test_one_that_is_too_large_is_not_kept() -> None:
    images, data = ReducedImages(1000), bytes(1000)
    images.keep(data, decoded(side=20))
    assert images.take(data) is None
    images.keep(data, decoded())
    assert images.take(data) is not None


def test_one_that_comes_again_takes_its_place_once() -> None:
    images, data, other = ReducedImages(600), bytes(1000), bytes(1001)
    images.keep(data, decoded())
    images.keep(data, decoded())
    images.keep(other, decoded())
    assert images.take(data) is not None
    assert images.take(other) is not None


def test_one_that_is_dropped_makes_room_for_others() -> None:
    images = ReducedImages(600)
    first, second, third = (bytes(bytearray(1000 + number)) for number in range(3))
    for data in (first, second):
        images.keep(data, decoded())
    images.drop(second)
    images.keep(third, decoded())
    assert images.take(second) is None
    assert images.take(first) is not None
    assert images.take(third) is not None
