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


@pytest.mark.parametrize("text", ["digits", "gray-1x1", "rgb-512x3"])
def test_name_is_the_text_it_was_parsed_from(text: str) -> None:
    assert ImageSpec.parse(text).name == text


def test_a_spec_without_a_short_name_is_described_in_full() -> None:
    spec = ImageSpec(mode="L", width=8, height=8, resize="lanczos", scale=2.0)
    assert spec.name == "gray-8x8 (lanczos, scale 2, rounding none)"


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
        "gray-513x8",
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
