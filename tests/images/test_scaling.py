import numpy as np
import pytest

from images.spec import ImageSpec

VALUES = np.arange(256, dtype=np.uint8)


@pytest.mark.parametrize("rounding", ["none", "nearest"])
@pytest.mark.parametrize("scale", [1.0, 16.0, 255.0, 0.1, 3.7, 100.0])
def test_few_pixels_and_many_have_the_features_of_version_0_1(scale: float, rounding: str) -> None:
    spec = ImageSpec.model_validate(
        {"mode": "RGB", "width": 32, "height": 8, "scale": scale, "rounding": rounding}
    )
    values = np.arange(256) / 255 * scale
    expected = (np.rint(values) if rounding == "nearest" else values).astype(np.float32)
    many = np.tile(VALUES, 9).reshape(3, -1)
    assert spec.features(VALUES).tobytes() == expected.tobytes()
    assert spec.features(many).tobytes() == expected[many].tobytes()


@pytest.mark.parametrize(
    "text",
    [
        "0-255:mean=127:std=128:chw",
        "imagenet:chw",
        "imagenet",
        "imagenet:cwh",
        "-1-1",
        "0-255:round:std=3",
        "0-3.7:mean=1,2,3:whc",
    ],
)
@pytest.mark.parametrize("color", ["rgb", "bgr"])
def test_a_feature_is_the_value_in_its_range_less_the_mean_over_std(color: str, text: str) -> None:
    spec = ImageSpec.parse(f"{color}-32x8:{text}")
    pixels = np.stack([VALUES, VALUES[::-1], np.roll(VALUES, 40)], axis=1)
    values = pixels[:, ::-1] if color == "bgr" else pixels
    expected = values / 255 * (spec.scale - spec.black) + spec.black
    if spec.rounding == "nearest":
        expected = np.rint(expected)
    expected = (expected - (spec.mean or 0)) / (spec.std or 1)
    axes = ["HWC".index(axis) for axis in spec.order]
    expected = expected.reshape(8, 32, 3).transpose(axes).ravel()
    np.testing.assert_allclose(spec.features(pixels.ravel()), expected, rtol=1e-6, atol=2e-6)
