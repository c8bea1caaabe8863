import numpy as np

from images.spec import ImageSpec
from train.dataset import Dataset, Split, split
from train.learning import LearningCurve, learning_curve


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
