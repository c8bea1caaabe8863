"""What the fields of an image spec may be."""

from typing import Literal

Mode = Literal["L", "RGB"]
Filter = Literal["nearest", "box", "bilinear", "bicubic", "lanczos"]
Rounding = Literal["none", "nearest"]
ChannelOrder = Literal["RGB", "BGR"]
Order = Literal["HWC", "CHW", "WHC", "CWH"]
"""Of the features: the axis outermost first. Rows of pixels with their channels are ``HWC``."""
Fit = Literal["stretch", "crop", "letterbox"]
Decoding = Literal["full", "reduced"]
