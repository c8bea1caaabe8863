"""The images of the demo: scikit-learn's digits, as a camera sees them before and after a knock."""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image

ANGLE = 25.0
"""Degrees by which the camera is turned in the end."""
CONTRAST = 0.7
"""What is left of the contrast then, as a proportion."""
PARTS = (900, 500)
"""Digits that the first version is trained on, and those that clients send at first. The others
are sent last, after the cure: no version has seen them."""

_INK = 16
_SIDE = 32
_GRAY = 40.0
# As different as two photographs of one digit are: degrees, pixels of _SIDE, steps of 255.
_TURNED, _MOVED, _NOISE = 5.0, 0.8, 6.0


@dataclass(frozen=True, eq=False)
class Digits:
    """N digits of 8x8 pixels, uint8 [N, 8, 8], with their labels, and the three ``parts`` as their
    rows: to train on, to send, and to send after the cure."""

    pixels: NDArray[np.uint8]
    labels: tuple[str, ...]
    parts: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]

    @classmethod
    def split(cls, seed: int) -> Self:
        """All 1,797, each in one part only."""
        from sklearn.datasets import load_digits

        found = load_digits()
        pixels = np.rint(found.images / _INK * 255).astype(np.uint8)
        order = np.random.default_rng(seed).permutation(len(pixels))
        train, sent, fresh = np.split(order, np.cumsum(PARTS))
        return cls(pixels, tuple(map(str, found.target)), (train, sent, fresh))

    def photograph(self, row: int, rng: np.random.Generator, moved: float = 0.0) -> bytes:
        """A PNG of a digit, another one each time; ``moved``: how far the camera is from where it
        was, from 0 to 1."""
        turned = moved * ANGLE + rng.normal(0, _TURNED)
        image = Image.fromarray(self.pixels[row]).resize((_SIDE, _SIDE), Image.Resampling.BICUBIC)
        across, down = rng.normal(0, _MOVED, 2)
        image = image.rotate(turned, Image.Resampling.BICUBIC, translate=(across, down))
        contrast = 1 - moved * (1 - CONTRAST)
        values = np.asarray(image, np.float64) * contrast + _GRAY * (1 - contrast)
        values += rng.normal(0, _NOISE, values.shape)
        buffer = io.BytesIO()
        Image.fromarray(np.clip(np.rint(values), 0, 255).astype(np.uint8)).save(
            buffer, "PNG", compress_level=1
        )
        return buffer.getvalue()

    def write(self, folder: Path, seed: int, swapped: tuple[str, str] | None = None) -> None:
        """The part to train on, as photographs in one folder for each class; ``swapped``: two
        labels that somebody has mixed up."""
        rng = np.random.default_rng(seed)
        names = {label: label for label in self.labels}
        if swapped is not None:
            names |= dict(zip(swapped, reversed(swapped), strict=True))
        for row in self.parts[0]:
            place = folder / names[self.labels[row]]
            place.mkdir(parents=True, exist_ok=True)
            (place / f"{row}.png").write_bytes(self.photograph(int(row), rng))
