"""Which image spec a classifier was trained with, told by labelled images."""

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.svm import SVC

from errors import SpecError
from images.decoding import examine
from images.spec import ImageSpec
from models.offline.labelled import LabelledImage
from models.offline.spec_fits import Fit, Fits
from models.offline.spec_search import search_spec, try_spec
from tests.drawing import png

DIGITS = load_digits()
PIXELS = np.rint(DIGITS.data / 16 * 255).astype(np.uint8)
TRAINED = slice(0, 500)
COLORS = np.random.default_rng(0).integers(0, 256, (4, 6, 6, 3))


def digits(rows: slice = slice(500, 700)) -> list[LabelledImage]:
    return [
        LabelledImage(examine(png(pixels.reshape(8, 8))), str(label))
        for pixels, label in zip(PIXELS[rows], DIGITS.target[rows], strict=True)
    ]


def of_digits(text: str) -> Fits:
    spec = ImageSpec.parse(text)
    model = SVC().fit(spec.features(PIXELS[TRAINED]), DIGITS.target[TRAINED])
    return search_spec(model, None, digits())


@pytest.mark.parametrize(
    "text", ["gray-8x8:0-255", "gray-8x8", "gray-8x8:1-0", "gray-8x8:0-255:whc"]
)
def test_the_range_and_order_of_gray_pixels(text: str) -> None:
    fits = of_digits(text)
    assert fits.chosen() == ImageSpec.parse(text)
    assert fits.best.share > 0.9


def test_what_it_says_has_the_specs_that_make_a_difference() -> None:
    told = of_digits("gray-8x8:0-255").told()
    assert told.startswith("Of 200 labelled images it has right: 9")
    assert " as gray-8x8:0-255, " in told
    assert told.count("%") == 3


def colors(count: int, width: int, height: int, seed: int) -> tuple[NDArray[np.uint8], list[int]]:
    """Noisy ones of four pictures."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 4, count).tolist()
    noise = generator.normal(0, 30, (count, 6, 6, 3))
    images = (COLORS[labels] + noise).clip(0, 255).astype(np.uint8)
    large = [
        np.asarray(Image.fromarray(one).resize((width, height), Image.Resampling.NEAREST))
        for one in images
    ]
    return np.stack(large), labels


@pytest.mark.parametrize("text", ["rgb-6x6:0-255:chw", "bgr-6x6:0-255", "rgb-6x6:imagenet:chw"])
def test_the_order_of_colors_and_axes(text: str) -> None:
    spec = ImageSpec.parse(text)
    pixels, labels = colors(200, 6, 6, 1)
    model = LogisticRegression(max_iter=300).fit(
        spec.features(pixels.reshape(200, -1)), [f"class {label}" for label in labels]
    )
    pixels, labels = colors(100, 6, 6, 2)
    asked = [
        LabelledImage(examine(png(one)), f"class {label}")
        for one, label in zip(pixels, labels, strict=True)
    ]
    best = search_spec(model, None, asked).best.spec
    assert (best.channels_as, best.order) == (spec.channels_as, spec.order)


def found_of_wide(spec: ImageSpec) -> Fits:
    """What is found of a model that was trained by the spec on wide images, of whose middle alone
    the label is."""
    generator = np.random.default_rng(3)
    images, features, words = [], [], []
    for one, label in zip(*colors(200, 24, 24, 4), strict=True):
        wide = generator.integers(0, 256, (24, 96, 3)).astype(np.uint8)
        wide[:, 36:60] = one
        encoded = examine(png(wide))
        images.append(LabelledImage(encoded, str(label)))
        features.append(spec.features(encoded.pixels(spec)))
        words.append(str(label))
    model = LogisticRegression(max_iter=300).fit(np.stack(features[:100]), words[:100])
    return search_spec(model, None, images[100:])


def test_the_middle_of_wide_images_is_told_from_all_of_them() -> None:
    assert found_of_wide(ImageSpec.parse("rgb-6x6:0-255:crop")).best.spec.fit == "crop"


def test_noise_is_no_evidence() -> None:
    generator = np.random.default_rng(0)
    model = LogisticRegression().fit(generator.random((40, 64)), np.arange(40) % 4)
    asked = [
        LabelledImage(examine(png(generator.integers(0, 256, (8, 8)).astype(np.uint8))), str(n % 4))
        for n in range(100)
    ]
    with pytest.raises(SpecError, match="No image spec that was tried fits"):
        search_spec(model, None, asked).chosen()


def test_a_given_spec_is_confirmed_unless_another_is_better() -> None:
    right, wrong = ImageSpec.parse("gray-8x8:0-255"), ImageSpec.parse("gray-8x8")
    model = SVC().fit(right.features(PIXELS[TRAINED]), DIGITS.target[TRAINED])
    search_spec(model, None, digits(), right).confirmed(right)
    with pytest.raises(SpecError, match="give --image-spec gray-8x8:0-255"):
        search_spec(model, None, digits(), wrong).confirmed(wrong)
    fit = try_spec(model, None, digits(), ImageSpec.parse("gray-9x9"))
    assert fit is None


def test_too_few_images_are_said_to_be() -> None:
    model = SVC().fit(PIXELS[TRAINED], DIGITS.target[TRAINED])
    with pytest.raises(SpecError, match="There are 49 labelled images, and 50 are needed"):
        search_spec(model, None, digits(slice(500, 549)))


def test_a_label_that_the_classifier_does_not_have_is_named() -> None:
    model = SVC().fit(PIXELS[TRAINED], DIGITS.target[TRAINED])
    strange = [one._replace(label="eight") for one in digits()]
    with pytest.raises(SpecError, match="'eight', which is none of the classifier's: 0, 1"):
        search_spec(model, None, strange)


def test_features_of_no_image_are_said_to_be() -> None:
    model = LogisticRegression().fit(np.eye(4, 61), range(4))
    with pytest.raises(SpecError, match="gives the 61 features"):
        search_spec(model, None, [one._replace(label="1") for one in digits()])


def test_a_search_says_how_far_it_is(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cli._PROGRESS_SECONDS", 0.0)
    of_digits("gray-8x8")
    assert " image specs: 200 of 200 images ..." in capsys.readouterr().err


def test_images_that_cannot_be_decoded_are_left_out() -> None:
    spec = ImageSpec.parse("gray-8x8")
    model = SVC().fit(spec.features(PIXELS[TRAINED]), DIGITS.target[TRAINED])
    broken = [LabelledImage(examine(png(PIXELS[0].reshape(8, 8))[:60]), "0")] * 9
    fit = try_spec(model, None, [*broken, *digits()], spec)
    assert fit is not None
    assert len(fit.said) == 200
    with pytest.raises(SpecError, match="None of the labelled images can be read"):
        try_spec(model, None, broken, spec)


def test_the_range_is_tried_again_with_the_fit_that_was_found() -> None:
    """``imagenet`` and ``-1-1`` are hard to tell apart while all of a wide image is looked at."""
    fits = found_of_wide(ImageSpec.parse("rgb-6x6:imagenet:crop:chw"))
    like_the_best = ("crop", fits.best.spec.resize)
    cropped = {fit.spec for fit in fits.tried if (fit.spec.fit, fit.spec.resize) == like_the_best}
    assert len({(one.black, one.scale, one.mean) for one in cropped}) > 5


def fit(text: str, right: int, loss: float, of: int = 100) -> Fit:
    said = np.array([0] * right + [1] * (of - right), np.int64)
    return Fit(ImageSpec.parse(text), said, said == 0, np.full(of, loss))


def test_the_one_that_has_all_right_is_the_best_though_another_is_surer() -> None:
    fits = Fits.of([fit("gray-8x8:lanczos", 99, 0.1), fit("gray-8x8", 100, 0.2)], 0.5)
    assert fits.best.spec == ImageSpec.parse("gray-8x8")


def test_no_spec_is_advised_where_the_images_do_not_tell() -> None:
    tried = [fit("gray-8x8", 96, 0.2), fit("gray-8x8:0-16", 94, 0.2), fit("gray-8x8:1-0", 30, 2)]
    with pytest.raises(SpecError, match="which of the others is right they do not tell"):
        Fits.of(tried, 0.5).confirmed(ImageSpec.parse("gray-8x8:1-0"))
