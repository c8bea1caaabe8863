"""What all peers share: the way from base64 to features, and the estimator from its pickle.

Only numpy, Pillow and scikit-learn, so that it runs in each peer's own virtual environment. The
folder of the model is the environment's ``BENCH_MODEL``, as ``bench.material`` writes it.
"""

import base64
import io
import json
import os
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bench.peers.photo_classifier import PhotoClassifier

BATCH_SIZE = 32
"""For peers that must be told: as many as the clients at which they are compared."""
BATCH_WAIT_SECONDS = 0.005
"""For MLServer and Ray Serve, which in short trials did better so than without waiting."""


def model_folder() -> Path:
    return Path(os.environ["BENCH_MODEL"])


@dataclass(frozen=True)
class Classifier:
    """A fitted scikit-learn classifier and its image spec, as the fields of ``spec.json``."""

    estimator: Any
    mode: str
    width: int
    height: int
    scale: float
    rounding: str

    @classmethod
    def load(cls, folder: Path | None = None) -> Self:
        folder = folder or model_folder()
        spec = json.loads((folder / "spec.json").read_text())
        with (folder / "estimator.pickle").open("rb") as file:
            return cls(pickle.load(file), **spec)  # noqa: S301 - bench.material wrote it

    def features(self, image: str) -> NDArray[np.float32]:
        """float32 [n_features] of an image in base64."""
        with Image.open(io.BytesIO(base64.b64decode(image))) as opened:
            picture = opened.convert(self.mode)
        if picture.size != (self.width, self.height):
            picture = picture.resize((self.width, self.height), Image.Resampling.BOX)
        values = np.asarray(picture, dtype=np.float32).reshape(-1) * np.float32(self.scale / 255)
        return np.rint(values) if self.rounding == "nearest" else values

    def predict(self, images: list[str]) -> list[int | str]:
        """The label of each image."""
        labels = self.estimator.predict(np.stack([self.features(image) for image in images]))
        return list(labels.tolist())


def classifier() -> "Classifier | PhotoClassifier":
    """That of the model's folder."""
    folder = model_folder()
    if (folder / "extractor.onnx").exists():
        return PhotoClassifier.load(folder)
    return Classifier.load(folder)
