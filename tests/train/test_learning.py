import io

import numpy as np
import pytest
from PIL import Image

from images.spec import ImageSpec
from train.augmenting import Variants, with_variants
from train.data_size import DataSize
from train.dataset import Dataset, Split, split
from train.learning import LearningCurve, learning_curve
from train.recipes import recipe


def parts(count: int, noise: float, seed: int = 0) -> Split:
    random = np.random.default_rng(seed)
    truth = np.arange(count) % 4
    embeddings = 2 * np.eye(24)[truth] + random.normal(0, noise, (count, 24))
    data = Dataset(
        np.zeros((count, 1), np.uint8),
        truth.astype(np.int64),
        "photos",
        ImageSpec.parse("gray-1x1"),
        embeddings=embeddings.astype(np.float32),
    )
    return split(data, 0.5, 0)


def curve(count: int, noise: float) -> LearningCurve:
    found = learning_curve(parts(count, noise), "lda-features", {}, 0, lambda *_: None)
    assert found is not None
    return found


def test_more_photos_would_help_where_they_have_so_far() -> None:
    found = curve(400, 0.9)
    assert list(found.images) == sorted(found.images)
    assert found.accuracy[-1] > found.accuracy[0]
    assert found.at(2 * found.images[-1]) >= found.at(found.images[-1])
    assert "With twice as many photos, 400 to train on" in found.sentence


def test_where_all_is_right_more_would_not() -> None:
    found = curve(400, 0.05)
    assert found.accuracy[-1] == 1
    assert "would hardly help" in found.sentence


def test_the_picture_is_the_same_each_time() -> None:
    found = curve(200, 0.9)
    assert found.picture() == found.picture()
    assert found.picture().startswith(b"\x89PNG")


def test_a_few_photos_have_no_curve() -> None:
    few = parts(16, 0.5)
    assert learning_curve(few, "lda-features", {}, 0, lambda *_: None) is None


def test_few_held_out_photos_tell_nothing() -> None:
    found = LearningCurve((10, 20, 40), (0.9, 0.95, 1.0), 2.0, 1.0, held=6)
    assert "cannot be told by 6 photos held out" in found.sentence
    assert "instead of" not in found.sentence


def test_no_gain_is_promised_where_all_are_right() -> None:
    found = LearningCurve((10, 20, 40), (0.9, 0.95, 1.0), 2.0, 1.0, held=60)
    assert "would hardly help" in found.sentence


@pytest.mark.parametrize("held", [6, 60, 60_000])
@pytest.mark.parametrize("exponent", [0.0, 0.5])
def test_the_title_is_within_the_picture(held: int, exponent: float) -> None:
    images = (3_000, 15_000, 20_000)
    found = LearningCurve(images, (0.7, 0.8, 0.888), 10.0, exponent, held)
    pixels = np.asarray(Image.open(io.BytesIO(found.picture())).convert("L"))
    assert pixels[:70, :-20].min() < 100
    assert pixels[:70, -20:].min() == 255


def test_a_curve_with_copies_ends_where_the_version_is() -> None:
    data = parts(200, 0.9)
    train, held = data.train, data.holdout
    rows = np.arange(len(train))
    copies = Variants(train.features()[:, ::-1].copy(), rows)
    found = learning_curve(data, "lda-features", {}, 0, lambda *_: None, copies)
    whole = with_variants(train, copies)
    fitted = recipe("lda-features").build(0, DataSize.of(whole.targets))
    fitted.fit(whole.features(), whole.targets)
    assert found is not None
    assert found.accuracy[-1] == fitted.score(held.features(), held.targets)
    assert found.images[-1] == len(train)
