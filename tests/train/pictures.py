"""Pictures of random evaluations, which the tests of figures share."""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from images.spec import ImageSpec
from models.manifest import Label
from train.confusion import confusion_picture
from train.evaluate import evaluate
from train.mistakes import mistakes_picture

SPEC = ImageSpec.parse("gray-8x8")


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
