import json
import re

import numpy as np
import pytest
from pydantic import ValidationError

from errors import SpecError
from images.spec import ImageSpec


def test_digits_is_gray_8x8_with_whole_numbers_from_0_to_16() -> None:
    assert ImageSpec.parse("digits") == ImageSpec(
        mode="L", width=8, height=8, resize="box", scale=16.0, rounding="nearest"
    )


def test_a_digits_feature_is_the_rounded_pixel_over_255_times_16() -> None:
    features = ImageSpec.parse("digits").features(np.arange(256, dtype=np.uint8))
    assert features.tolist() == [round(pixel / 255 * 16) for pixel in range(256)]


def test_digits_features_change_where_the_dataset_changes() -> None:
    pixels = np.array([0, 7, 8, 23, 24, 127, 128, 247, 248, 255], dtype=np.uint8)
    features = ImageSpec.parse("digits").features(pixels)
    assert features.tolist() == [0, 0, 1, 1, 2, 8, 8, 15, 16, 16]


def test_features_are_float32_between_0_and_the_scale() -> None:
    spec = ImageSpec.parse("gray-2x1")
    features = spec.features(np.array([[0, 51], [204, 255]], dtype=np.uint8))
    assert features.dtype == np.float32
    assert features.shape == (2, 2)
    np.testing.assert_allclose(features, [[0, 0.2], [0.8, 1]], rtol=1e-7)


@pytest.mark.parametrize(
    ("text", "mode", "width", "height", "n_features"),
    [("gray-28x14", "L", 28, 14, 392), ("rgb-64x48", "RGB", 64, 48, 9216)],
)
def test_a_name_gives_mode_and_size(
    text: str, mode: str, width: int, height: int, n_features: int
) -> None:
    spec = ImageSpec.parse(text)
    assert (spec.mode, spec.width, spec.height, spec.n_features) == (
        mode,
        width,
        height,
        n_features,
    )


@pytest.mark.parametrize("text", ["digits", "gray-1x1", "rgb-1024x3"])
def test_name_is_the_text_it_was_parsed_from(text: str) -> None:
    assert ImageSpec.parse(text).name == text


TEXTS = [
    "gray-8x8:lanczos:0-2",
    "gray-28x28:0-255",
    "gray-28x28:1-0",
    "gray-8x8:-1-1:round:whc",
    "gray-8x8:0-1e-05",
    "gray-20x20:letterbox",
    "rgb-224x224:crop=256:bicubic:0-255:mean=127:std=128:chw:reduced",
    "rgb-224x224:crop:bilinear:imagenet:chw",
    "rgb-640x640:letterbox=114:chw",
    "bgr-224x224:0-255:mean=103.939,116.779,123.68",
    "rgb-8x6:std=1,-2,0.5:cwh",
]


@pytest.mark.parametrize("text", TEXTS)
def test_the_text_of_a_spec_is_the_one_it_was_parsed_from(text: str) -> None:
    spec = ImageSpec.parse(text)
    assert spec.name == text
    assert ImageSpec.model_validate_json(spec.model_dump_json()) == spec


@pytest.mark.parametrize("text", ["rgb-8x4", *TEXTS])
def test_options_may_stand_in_any_order(text: str) -> None:
    head, *options = text.split(":")
    assert ImageSpec.parse(":".join([head, *reversed(options)])) == ImageSpec.parse(text)


def test_a_spec_that_says_what_is_so_anyway_has_the_short_text() -> None:
    assert ImageSpec.parse("rgb-8x4:stretch:box:0-1:hwc:full").name == "rgb-8x4"
    assert ImageSpec.parse("gray-8x8:0-16:round").name == "digits"


def test_the_ends_of_the_range_are_the_features_of_black_and_white() -> None:
    for text, black, white in (("0-255", 0, 255), ("1-0", 1, 0), ("-1-1", -1, 1), ("2--3", 2, -3)):
        features = ImageSpec.parse(f"gray-2x1:{text}").features(np.array([0, 255], np.uint8))
        assert features.tolist() == [black, white], text


def test_unscaled_features_are_the_pixels() -> None:
    pixels = np.arange(256, dtype=np.uint8)
    assert ImageSpec.parse("gray-16x16:0-255").features(pixels).tolist() == pixels.tolist()


def test_mean_is_subtracted_and_std_divided_by_for_each_channel() -> None:
    pixels = np.array([[10, 20, 30, 40, 50, 60]], np.uint8)
    features = ImageSpec.parse("rgb-2x1:0-255:mean=1,2,3:std=2,4,-1").features(pixels)
    assert features.tolist() == [[4.5, 4.5, -27, 19.5, 12, -57]]


def test_bgr_turns_the_channels_around_and_its_means_are_in_that_order() -> None:
    pixels = np.array([[10, 20, 30]], np.uint8)
    assert ImageSpec.parse("bgr-1x1:0-255:mean=1,2,3").features(pixels).tolist() == [[29, 18, 7]]


@pytest.mark.parametrize("order", ["HWC", "CHW", "WHC", "CWH"])
@pytest.mark.parametrize("color", ["gray", "rgb"])
def test_an_order_moves_the_axes(color: str, order: str) -> None:
    spec = ImageSpec.parse(f"{color}-4x3:0-255:{order.lower()}")
    images = np.random.default_rng(0).integers(0, 256, (5, 3, 4, spec.channels), np.uint8)
    expected = images.transpose(0, *(1 + "HWC".index(axis) for axis in order))
    features = spec.features(images.reshape(5, -1))
    assert features.dtype == np.float32
    assert features.shape == (5, spec.n_features)
    assert features.tolist() == expected.reshape(5, -1).tolist()
    assert features.reshape(5, *spec.shape).tolist() == expected.tolist()
    assert spec.features(images[0].reshape(-1)).tolist() == expected[0].reshape(-1).tolist()


def test_features_of_one_image_are_those_of_it_among_others() -> None:
    spec = ImageSpec.parse("bgr-9x5:imagenet:chw")
    images = np.random.default_rng(0).integers(0, 256, (3, spec.n_features), np.uint8)
    each = np.stack([spec.features(image) for image in images])
    assert each.tobytes() == spec.features(images).tobytes()


def test_a_spec_of_version_0_1_is_written_as_that_version_wrote_it() -> None:
    written = ImageSpec.parse("digits").model_dump_json()
    assert json.loads(written) == {
        "mode": "L",
        "width": 8,
        "height": 8,
        "resize": "box",
        "scale": 16.0,
        "rounding": "nearest",
    }


def test_pixels_of_a_spec_with_another_decoding_can_be_read() -> None:
    one = ImageSpec.parse("rgb-8x8")
    assert one.reads_as(ImageSpec.parse("rgb-8x8:reduced"))
    assert ImageSpec.parse("rgb-8x8:reduced").reads_as(one)
    assert not one.reads_as(ImageSpec.parse("rgb-8x8:0-255"))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("rgb-8x8:foo", "'foo' is none of"),
        ("rgb-8x8:", "nothing after a colon"),
        ("rgb-8x8::0-255", "nothing after a colon"),
        ("rgb-8x8:mean=.", "'mean=.' is none of"),
        ("rgb-8x8:0-1:0-255", "a second time"),
        ("rgb-8x8:crop:letterbox", "a second time"),
        ("rgb-8x8:crop=7", "must not be below"),
        ("rgb-8x8:letterbox=256", "fill"),
        ("gray-8x8:0-0", "scale must be"),
        ("gray-8x8:mean=1,2,3", "mean must be one number, as gray has one channel"),
        ("gray-8x8:imagenet", "mean must be one number, as gray has one channel"),
        ("rgb-8x8:mean=1,2", "mean must be"),
        ("rgb-8x8:std=0", "std must not"),
        ("rgb-8x8:0-1e999", "scale"),
        ("rgb-8x8:mean=1e999", "mean must be"),
        ("gray-8x8:٠-٩", "is none of"),
    ],
)
def test_a_refusal_names_the_option_that_is_wrong(text: str, reason: str) -> None:
    with pytest.raises(SpecError, match=re.escape(reason)):
        ImageSpec.parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Digits",
        "gray",
        "gray-8",
        "gray-8x",
        "gray-0x8",
        "gray-08x8",
        "gray-8x-8",
        "gray-1025x8",
        "rgb-8x9999",
        "rgb-8x8 ",
        "rgba-8x8",
        "gray-8x8x3",
        "gray-٨x8",
    ],
)
def test_any_other_text_is_a_spec_error_that_quotes_it(text: str) -> None:
    with pytest.raises(SpecError, match="such as rgb-64x64") as caught:
        ImageSpec.parse(text)
    assert repr(text) in str(caught.value)


@pytest.mark.parametrize("scale", [0.0, -1.0, float("inf"), float("nan")])
def test_a_scale_is_a_positive_number(scale: float) -> None:
    with pytest.raises(ValidationError, match="scale"):
        ImageSpec(mode="L", width=8, height=8, scale=scale)


def test_an_unknown_field_is_refused() -> None:
    with pytest.raises(ValidationError, match="colour"):
        ImageSpec.model_validate({"mode": "L", "width": 8, "height": 8, "colour": "red"})


def test_a_spec_read_back_from_json_gives_the_same_features() -> None:
    spec = ImageSpec.parse("digits")
    again = ImageSpec.model_validate_json(spec.model_dump_json())
    pixels = np.arange(256, dtype=np.uint8)
    assert again == spec
    assert again.features(pixels).tobytes() == spec.features(pixels).tobytes()


def test_specs_that_were_used_are_compared_by_their_fields() -> None:
    one, same, other = (ImageSpec.parse(text) for text in ("digits", "digits", "gray-8x8"))
    for spec in (one, same, other):
        spec.features(np.zeros(64, np.uint8))
    assert one == same
    assert one != other


@pytest.mark.parametrize(
    "option",
    ["std=1e-320", "mean=1e30", "std=1e30", "0-1e300", "-1e300-1", "0-1e-320", "1-1.0000000000001"],
)
def test_numbers_that_make_features_infinite_or_none_are_refused(option: str) -> None:
    with pytest.raises(SpecError, match="not closer to 0 than 1e-09"):
        ImageSpec.parse(f"gray-8x8:{option}")


@pytest.mark.parametrize("text", ["gray-1x1:0-1e9:std=1e-9", "gray-1x1:-1e9-1e9:mean=1e9:std=1e-9"])
def test_the_most_extreme_numbers_make_finite_features(text: str) -> None:
    features = ImageSpec.parse(text).features(np.arange(256, dtype=np.uint8)[:, None])
    assert np.isfinite(features).all()
    assert features[0] != features[255]


def test_numbers_may_lack_what_is_before_or_after_the_point() -> None:
    assert ImageSpec.parse("gray-8x8:0.-1.:mean=.5:std=.25").name == "gray-8x8:mean=0.5:std=0.25"
    assert ImageSpec.parse("gray-8x8:-.5-.5").name == "gray-8x8:-0.5-0.5"
