"""Images for a page: as the classifier saw them, enlarged so that their pixels can be seen."""

import base64
import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from images.spec import ImageSpec

SIDE = 96


def picture_url(pixels: NDArray[np.uint8], spec: ImageSpec, side: int = SIDE) -> str:
    """A ``data:`` URL of a PNG of uint8 [F], its longer side brought to about ``side`` pixels.

    Small images are enlarged by a whole number, each pixel to a square; large ones are shrunk.
    """
    shape = (spec.height, spec.width) if spec.channels == 1 else (spec.height, spec.width, 3)
    image = Image.fromarray(pixels.reshape(shape))
    longer = max(image.size)
    factor = max(1, side // longer)
    if factor > 1:
        size = (image.width * factor, image.height * factor)
        image = image.resize(size, Image.Resampling.NEAREST)
    elif longer > 2 * side:
        image.thumbnail((2 * side, 2 * side), Image.Resampling.BOX)
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return data_url(buffer.getvalue(), "image/png")


def data_url(content: bytes, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
