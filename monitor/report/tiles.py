"""Images for the page, as the classifier sees them, enlarged until their pixels are visible."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from images.spec import ImageSpec
from monitor.findings import Findings
from monitor.phrasing import percent, short
from records.windows import Record

SIDE = 96

_TILES = 8
_TO_LABEL = 24
_FAULTY = 6


@dataclass(frozen=True)
class Tile:
    """An image with up to three lines below it."""

    url: str
    lines: tuple[str, ...]


def examples(findings: Findings) -> list[Tile]:
    """The images that show the change most, or else some of the window, evenly spaced."""
    indices: Sequence[int] = findings.drift.examples[:_TILES]
    if not indices and len(findings.data):
        count = min(_TILES, len(findings.data))
        indices = np.linspace(0, len(findings.data) - 1, count).astype(int).tolist()
    return [_predicted(findings, index) for index in indices]


def to_label(findings: Findings) -> list[Tile]:
    """The first of the images that should be labelled."""
    return [_predicted(findings, index) for index in findings.harm.label_first[:_TO_LABEL]]


def faulty(findings: Findings, rows: Sequence[int]) -> list[Tile]:
    """Images of these records, as far as they can be decoded."""
    data = findings.data
    shown = ((data.records[row], data.pixels_of(row)) for row in rows)
    tiles = (
        _tile(record, pixels, findings.monitored.spec)
        for record, pixels in shown
        if pixels is not None
    )
    return list(tiles)[:_FAULTY]


def usual(findings: Findings) -> list[Tile]:
    """Images of the reference."""
    monitored, reference = findings.monitored, findings.monitored.reference
    if reference is None:
        return []
    return [
        Tile(picture_url(pixels, monitored.spec), (f"label {short(monitored.labels[index])}",))
        for pixels, index in zip(
            reference.pixels[:_TILES], reference.labels[:_TILES].tolist(), strict=True
        )
    ]


def averages(findings: Findings) -> list[Tile]:
    """The mean of all images of the window and of the reference."""
    reference, spec = findings.monitored.reference, findings.monitored.spec
    if reference is None or not len(findings.data):
        return []
    groups = ((findings.data.pixels, "this window"), (reference.pixels, "reference"))
    return [
        Tile(picture_url(np.rint(pixels.mean(axis=0)).astype(np.uint8), spec), (name,))
        for pixels, name in groups
    ]


def picture_url(pixels: NDArray[np.uint8], spec: ImageSpec, side: int = SIDE) -> str:
    """A ``data:`` URL of a PNG of uint8 [F], its longer side scaled to about ``side`` pixels.

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


def data_url(content: bytes, media_type: str) -> str:
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"


def _predicted(findings: Findings, index: int) -> Tile:
    data = findings.data
    return _tile(data.record(index), data.pixels[index], findings.monitored.spec)


def _tile(record: Record, pixels: NDArray[np.uint8], spec: ImageSpec) -> Tile:
    lines = []
    if record.label is not None:
        lines.append(f"predicted {short(record.label)}")
    if record.confidence is not None:
        lines.append(f"{percent(record.confidence)} sure")
    return Tile(picture_url(pixels, spec), (*lines, f"id {short(record.request_id)}"))
