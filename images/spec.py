"""The image spec: how an image becomes a feature vector.

It is part of the artifact, and both training and serving run this code, so they cannot differ.
"""

import math
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
    model_validator,
)

from errors import SpecError
from images.scaling import plain_table, scaling
from images.specfields import ChannelOrder, Decoding, Filter, Fit, Mode, Order, Rounding
from images.spectext import fields_of, text_of

MAX_SIDE: Final = 1024

_LARGEST: Final = 1e9
_SMALLEST: Final = 1e-9

# A table is as fast for these.
_FEW: Final = 1024

_DIGITS: Final = {"mode": "L", "width": 8, "height": 8, "scale": 16.0, "rounding": "nearest"}

# Fields that version 0.1 did not have: left out of what is written where they say what it did, so
# that it reads the file, and training again gives the same SHA-256.
_LATER: Final = frozenset(
    ("black", "mean", "std", "channels_as", "order", "fit", "shortest", "fill", "decoding")
)


class ImageSpec(BaseModel):
    """Mode, size and scale of what the classifier sees.

    An image is decoded, turned upright, put on white, converted to ``mode`` and, where its size
    differs, resized with the filter ``resize``, so that it fits as ``fit`` says:

    - ``stretch``: to the spec's sides, whatever the image's were
    - ``crop``: in proportion, until its shorter side has ``shortest`` pixels (None: until it covers
      the spec's sides); of this, the middle
    - ``letterbox``: in proportion, until it fits into the spec's sides; what is left on two sides
      has the value ``fill``

    Each 8-bit value then becomes ``black + value / 255 * (scale - black)``, rounded to the nearest
    integer if ``rounding`` is ``nearest``; ``mean`` is subtracted, and the rest divided by ``std``:
    one number, or one for each channel as ``channels_as`` orders them. ``order`` is that of the
    features. ``decoding``: ``reduced`` decodes a large file at a half, a quarter or an eighth of
    its sides, which is not done to less than twice the size that it is resized to.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    mode: Mode
    width: int = Field(ge=1, le=MAX_SIDE)
    height: int = Field(ge=1, le=MAX_SIDE)
    resize: Filter = "box"
    scale: float = Field(default=1.0, allow_inf_nan=False)
    rounding: Rounding = "none"
    black: float = Field(default=0.0, allow_inf_nan=False)
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    channels_as: ChannelOrder = "RGB"
    order: Order = "HWC"
    fit: Fit = "stretch"
    shortest: int | None = Field(default=None, ge=1, le=2 * MAX_SIDE)
    fill: int = Field(default=0, ge=0, le=255)
    decoding: Decoding = "full"

    @classmethod
    def parse(cls, text: str) -> Self:
        """The spec of a text: ``digits``, or as ``images.spectext`` describes.

        Raises SpecError for any other text, or a side above 1024 pixels.
        """
        try:
            return cls.model_validate(_DIGITS if text == "digits" else fields_of(text))
        except ValidationError as error:
            first = error.errors()[0]
            where = "".join(f"{part}: " for part in first["loc"][:1])
            reason = where + first["msg"].removeprefix("Value error, ").lower()
        except ValueError as error:
            reason = str(error)
        raise SpecError(
            f"Image spec {text!r} is not valid: {reason}; sides are from 1 to {MAX_SIDE}, and all "
            "else comes after a colon, such as rgb-64x64 or gray-28x28:0-255."
        )

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        if self.scale == self.black or (self.scale < 0 and not self.black):
            raise ValueError("scale must be above 0, or another number than black")
        for name, values in (("mean", self.mean), ("std", self.std)):
            if values is None:
                continue
            if len(values) not in (1, self.channels) or not all(map(math.isfinite, values)):
                more = ", or 3 with commas" if self.channels > 1 else ", as gray has one channel"
                raise ValueError(f"{name} must be one number{more}")
        if self.std is not None and 0.0 in self.std:
            raise ValueError("std must not be 0")
        # Beyond these, features in float32 are infinite, no numbers, or all the same.
        sizes = (self.scale, self.black, *(self.mean or ()), *(self.std or ()))
        steps = (self.scale - self.black, *(self.std or ()))
        if max(map(abs, sizes)) > _LARGEST or min(map(abs, steps)) < _SMALLEST:
            raise ValueError(
                f"numbers are from -{_LARGEST:g} to {_LARGEST:g}, and std and the range are not "
                f"closer to 0 than {_SMALLEST:g}"
            )
        if self.mode == "L" and self.channels_as != "RGB":
            raise ValueError("gray has no order of channels")
        if self.shortest is not None and self.fit != "crop":
            raise ValueError("only crop has a shortest side")
        if self.shortest is not None and self.shortest < max(self.width, self.height):
            raise ValueError("the shortest side of a crop must not be below the spec's sides")
        if self.fill and self.fit != "letterbox":
            raise ValueError("only letterbox has a value for the rest")
        return self

    @model_serializer(mode="wrap")
    def _without_later(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        fields: dict[str, Any] = write(self)
        defaults = type(self).model_fields
        return {
            name: value
            for name, value in fields.items()
            if name not in _LATER or getattr(self, name) != defaults[name].default
        }

    @property
    def channels(self) -> int:
        return 1 if self.mode == "L" else 3

    @property
    def n_features(self) -> int:
        return self.width * self.height * self.channels

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the features of one image, in their ``order``, as a network takes them."""
        sides = {"H": self.height, "W": self.width, "C": self.channels}
        return tuple(sides[axis] for axis in self.order)

    @property
    def name(self) -> str:
        """The text for ``parse``."""
        if self == ImageSpec.parse("digits"):
            return "digits"
        return text_of({name: getattr(self, name) for name in type(self).model_fields})

    def reads_as(self, other: Self) -> bool:
        """Whether pixels that were made for ``other`` mean the same to this spec: all but the
        decoding is equal, which changes them by a few of 255."""
        return self == other.model_copy(update={"decoding": self.decoding})

    def features(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """float32 features of the same shape as ``pixels``, uint8 [..., n_features] row by row and
        channels last; in the spec's ``order``."""
        if (
            pixels.size <= _FEW
            and not self.black
            and self.mean is None
            and self.std is None
            and self.order == "HWC"
            and self.channels_as == "RGB"
        ):
            return plain_table(self.scale, self.rounding).take(pixels)
        scale = scaling(self.black, self.scale, self.rounding, self.mean, self.std, self.channels)
        images = pixels.reshape(-1, self.height, self.width, self.channels)
        if self.channels_as == "BGR":
            images = images[..., ::-1]
        ordered = images.transpose(0, *(1 + "HWC".index(axis) for axis in self.order))
        features = scale.features(ordered, 1 + self.order.index("C"))
        return features.reshape(pixels.shape)
