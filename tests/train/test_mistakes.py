import io

import numpy as np
import pytest
from PIL import Image

from images.spec import ImageSpec
from tests.train.pictures import SPEC, answers, mistakes, size
from train.mistakes import SHEET_IMAGES, mistakes_picture, worst_mistakes


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
