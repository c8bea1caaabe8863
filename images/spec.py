"""The image spec: how an image becomes a feature vector.

It is part of the artifact, and both training and serving run this code, so they cannot differ.
"""

import re
from functools import cache
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from errors import SpecError

MAX_SIDE = 512

Rounding = Literal["none", "nearest"]

_PATTERN = re.compile(r"(gray|rgb)-([1-9][0-9]{0,2})x([1-9][0-9]{0,2})")


class ImageSpec(BaseModel):
    """Mode, size and scale of what the classifier sees.

    An image is decoded, turned upright, put on white, converted to ``mode`` and, where its size
    differs, resized with the filter ``resize``. Each 8-bit value then becomes the feature
    ``value / 255 * scale``, rounded to the nearest integer if ``rounding`` is ``nearest``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    mode: Literal["L", "RGB"]
    width: int = Field(ge=1, le=MAX_SIDE)
    height: int = Field(ge=1, le=MAX_SIDE)
    resize: Literal["nearest", "box", "bilinear", "bicubic", "lanczos"] = "box"
    scale: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    rounding: Rounding = "none"

    @classmethod
    def parse(cls, text: str) -> Self:
        """The spec named ``digits``, ``gray-<W>x<H>`` or ``rgb-<W>x<H>``.

        Raises SpecError for any other text, or a side above 512 pixels.
        """
        if text == "digits":
            return cls(mode="L", width=8, height=8, scale=16.0, rounding="nearest")
        match = _PATTERN.fullmatch(text)
        if match is None or int(match[2]) > MAX_SIDE or int(match[3]) > MAX_SIDE:
            raise SpecError(
                f"Image spec {text!r} is not valid: write digits, gray-<W>x<H> or rgb-<W>x<H> "
                f"with sides from 1 to {MAX_SIDE}, such as rgb-64x64."
            )
        mode: Literal["L", "RGB"] = "L" if match[1] == "gray" else "RGB"
        return cls(mode=mode, width=int(match[2]), height=int(match[3]))

    @property
    def channels(self) -> int:
        return 1 if self.mode == "L" else 3

    @property
    def n_features(self) -> int:
        return self.width * self.height * self.channels

    @property
    def name(self) -> str:
        """The text for ``parse`` if there is one, else a description."""
        if self == ImageSpec.parse("digits"):
            return "digits"
        plain = f"{'gray' if self.mode == 'L' else 'rgb'}-{self.width}x{self.height}"
        if self == ImageSpec.parse(plain):
            return plain
        return f"{plain} ({self.resize}, scale {self.scale:g}, rounding {self.rounding})"

    def features(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """float32 features of the same shape as ``pixels`` (uint8), one table lookup each."""
        return _table(self.scale, self.rounding)[pixels]


# Not kept in the spec: pydantic would compare it when two specs are, and arrays have no truth.
@cache
def _table(scale: float, rounding: Rounding) -> NDArray[np.float32]:
    """float32 [256]: the feature of each value of a pixel."""
    values = np.arange(256) / 255 * scale
    if rounding == "nearest":
        values = np.rint(values)
    return values.astype(np.float32)
