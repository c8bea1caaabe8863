import io
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from images.spec import ImageSpec
from models.manifest import Label
from train.evaluate import evaluate
from train.figures import SHEET_IMAGES, confusion_picture, mistakes_picture, worst_mistakes

SPEC = ImageSpec.parse("gray-8x8")
PNG = b"\x89PNG\r\n\x1a\n"


def answers(classes: int, images: int = 200) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, classes, images)
    probabilities = rng.dirichlet(np.ones(classes), images)
    return truth, probabilities


def confusion(labels: tuple[Label, ...]) -> bytes:
    return confusion_picture(evaluate(labels, *answers(len(labels))))


def mistakes(labels: tuple[Label, ...], spec: ImageSpec = SPEC) -> bytes:
    truth, probabilities = answers(len(labels))
    pixels = np.random.default_rng(1).integers(0, 256, (len(truth), spec.n_features))
    return mistakes_picture(pixels.astype(np.uint8), truth, probabilities, labels, spec)


def size(picture: bytes) -> tuple[int, int]:
    with Image.open(io.BytesIO(picture)) as image:
        image.load()
        return image.size


def test_worst_mistakes_are_the_surest_wrong_answers() -> None:
    truth = np.array([0, 0, 1, 1, 1])
    probabilities = np.array([[0.9, 0.1], [0.3, 0.7], [0.8, 0.2], [0.05, 0.95], [0.7, 0.3]])
    worst = worst_mistakes(truth, probabilities)
    assert [(m.row, m.truth, m.predicted, m.confidence) for m in worst] == [
        (2, 1, 0, 0.8),
        (1, 0, 1, 0.7),
        (4, 1, 0, 0.7),
    ]


def test_worst_mistakes_stop_at_the_limit() -> None:
    truth, probabilities = answers(10)
    assert len(worst_mistakes(truth, probabilities)) == SHEET_IMAGES


@pytest.mark.parametrize("draw", [confusion, mistakes])
def test_the_same_input_draws_the_same_bytes(draw: Any) -> None:
    first = draw(("cat", "dog"))
    with mpl.rc_context({"font.size": 30, "savefig.dpi": 50, "image.cmap": "hot"}):
        again = draw(("cat", "dog"))
    assert first.startswith(PNG)
    assert first == again


@pytest.mark.parametrize("classes", [2, 10, 200])
def test_a_confusion_matrix_of_many_classes_stays_a_picture(classes: int) -> None:
    width, height = size(confusion(tuple(f"species number {i}" for i in range(classes))))
    assert 300 < width < 3500
    assert 300 < height < 3500


@pytest.mark.parametrize("draw", [confusion, mistakes])
def test_any_label_can_be_drawn(draw: Any) -> None:
    labels = ("$x_", "a" * 200, "猫", "two\nlines", "[bold]", "%", "")
    width, _ = size(draw(labels))
    assert width < 2000


def test_other_labels_draw_another_matrix() -> None:
    assert confusion(("a" * 50 + "1", "b")) != confusion(("a" * 50 + "2", "b"))


@pytest.mark.parametrize("spec", ["gray-8x8", "rgb-16x4"])
def test_the_sheet_shows_images_of_any_spec(spec: str) -> None:
    width, height = size(mistakes(("cat", "dog"), ImageSpec.parse(spec)))
    assert width > height / 2


def test_the_sheet_shows_the_images_themselves() -> None:
    truth, probabilities = np.array([0, 1]), np.array([[0.2, 0.8], [0.2, 0.8]])
    dark, light = (np.full((2, 64), value, dtype=np.uint8) for value in (0, 255))
    sheets = [
        mistakes_picture(pixels, truth, probabilities, (0, 1), SPEC) for pixels in (dark, light)
    ]
    blacks = []
    for sheet in sheets:
        with Image.open(io.BytesIO(sheet)) as image:
            blacks.append(image.convert("L").histogram()[0])
    assert blacks[0] - blacks[1] > 100 * 100


def test_without_a_mistake_the_sheet_says_so() -> None:
    truth, sure = np.array([0, 1]), np.eye(2)
    sheet = mistakes_picture(np.zeros((2, 64), np.uint8), truth, sure, (0, 1), SPEC)
    assert size(sheet)[1] < 150
