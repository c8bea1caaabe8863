"""A network and a classifier in ONNX Runtime, as its users would write it, for all peers.

Only numpy, Pillow and ONNX Runtime, with its defaults. The folder has ``extractor.onnx``,
``head.onnx`` and ``photos.json``, as ``bench.photo_material`` writes them.
"""

import base64
import io
import json
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image


class PhotoClassifier:
    def __init__(
        self,
        extractor: Any,
        head: Any,
        labels: list[int | str],
        side: int,
        mean: float,
        std: float,
        crop: bool,
    ) -> None:
        self.extractor = extractor
        self.head = head
        self.labels = labels
        self.side, self.mean, self.std = side, np.float32(mean), np.float32(std)
        self.crop = crop
        self._names = [session.get_inputs()[0].name for session in (extractor, head)]

    @classmethod
    def load(cls, folder: Path) -> Self:
        import onnxruntime

        onnxruntime.disable_telemetry_events()
        fields = json.loads((folder / "photos.json").read_text())
        sessions = [
            onnxruntime.InferenceSession(folder / name, providers=["CPUExecutionProvider"])
            for name in ("extractor.onnx", "head.onnx")
        ]
        return cls(*sessions, **fields)

    def pixels(self, image: str) -> NDArray[np.float32]:
        """float32 [3, side, side] of an image in base64: resized, all or its middle square."""
        with Image.open(io.BytesIO(base64.b64decode(image))) as opened:
            picture = opened.convert("RGB")
        width, height = picture.size
        box = (0.0, 0.0, float(width), float(height))
        if self.crop:
            edge = min(width, height)
            left, top = (width - edge) / 2, (height - edge) / 2
            box = (left, top, left + edge, top + edge)
        picture = picture.resize((self.side, self.side), Image.Resampling.BICUBIC, box=box)
        values = (np.asarray(picture, np.float32) - self.mean) / self.std
        return values.transpose(2, 0, 1)

    def predict(self, images: list[str]) -> list[int | str]:
        """The label of each image."""
        return [self.labels[best] for best in self.scores(images).argmax(axis=1).tolist()]

    def scores(self, images: list[str]) -> NDArray[np.float32]:
        """float32 [N, classes]."""
        batch = np.stack([self.pixels(image) for image in images])
        [embeddings] = self.extractor.run(None, {self._names[0]: batch})
        scores: NDArray[np.float32] = self.head.run(None, {self._names[1]: embeddings})[0]
        return scores
