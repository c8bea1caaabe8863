"""Tensors that need no decoding."""

import numpy as np
import pytest

from errors import BadRequestError
from images.decoding import read_pixels
from images.spec import ImageSpec
from serving.oip.given import given, png
from serving.oip.tensors import Tensor


@pytest.mark.parametrize("name", ["digits", "gray-5x3", "rgb-7x4", "rgb-64x64"])
def test_a_file_of_pixels_has_these_pixels(name: str) -> None:
    spec = ImageSpec.parse(name)
    pixels = np.random.default_rng(1).integers(0, 256, (2, spec.n_features), np.uint8)
    made = given(Tensor("pixels", pixels.shape, pixels.ravel()), spec)
    for one, wanted in zip(made, pixels, strict=True):
        assert np.array_equal(read_pixels(one.image, spec), wanted)
        assert np.array_equal(one.features, spec.features(wanted))


def test_features_are_taken_as_they_are_and_have_no_file() -> None:
    spec = ImageSpec.parse("digits")
    features = np.arange(128, dtype=np.float32)
    first, second = given(Tensor("features", (2, 8, 8), features), spec)
    assert first.image == second.image == b""
    assert second.features.tolist() == features[64:].tolist()
    assert first.content != second.content


@pytest.mark.parametrize(
    ("spec", "shape", "sentence"),
    [
        ("digits", (1, 8), r"must be \[N, 64\] or \[N, 8, 8, 1\] or \[N, 8, 8\]"),
        ("digits", (1, 1, 8, 8), "not \\[1, 1, 8, 8\\]"),
        ("digits", (64,), "not \\[64\\]"),
        ("rgb-8x8", (1, 3, 8, 8), r"must be \[N, 192\] or \[N, 8, 8, 3\] for this model, not"),
    ],
)
def test_another_shape(spec: str, shape: tuple[int, ...], sentence: str) -> None:
    content = np.zeros(int(np.prod(shape)), np.uint8)
    with pytest.raises(BadRequestError, match=sentence):
        given(Tensor("pixels", shape, content), ImageSpec.parse(spec))


@pytest.mark.parametrize(
    ("spec", "shape"),
    [("rgb-8x6:chw", (1, 3, 6, 8)), ("rgb-8x6:whc", (1, 8, 6, 3)), ("gray-8x6:whc", (1, 8, 6))],
)
def test_features_have_their_own_order_and_pixels_that_of_files(
    spec: str, shape: tuple[int, ...]
) -> None:
    parsed = ImageSpec.parse(spec)
    pixels = np.random.default_rng(2).integers(0, 256, (1, parsed.n_features), np.uint8)
    features = parsed.features(pixels).reshape(shape)
    rows, columns = parsed.height, parsed.width
    (one,) = given(Tensor("features", shape, features.ravel()), parsed)
    sent = Tensor("pixels", (1, rows, columns, parsed.channels), pixels.ravel())
    assert np.array_equal(one.features, given(sent, parsed)[0].features)
    with pytest.raises(BadRequestError, match="The shape of features must be"):
        given(Tensor("features", sent.shape, features.ravel()), parsed)
    with pytest.raises(BadRequestError, match="The shape of pixels must be"):
        given(Tensor("pixels", shape, pixels.ravel()), parsed)


def test_a_png_is_small() -> None:
    spec = ImageSpec.parse("rgb-64x64")
    assert len(png(np.zeros(spec.n_features, np.uint8), spec)) < spec.n_features + 200
