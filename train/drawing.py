"""Pictures measured in inches, as PNG bytes that depend on their input alone."""

import io
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.image import BboxImage
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.transforms import Bbox, TransformedBbox
from numpy.typing import NDArray

from cli import printable
from models.manifest import Label

INK = "#1f2933"
TITLE_INCHES = 0.75

_DPI = 100
_FRAME = "#9aa5b1"
_GRID = "#e4e7eb"


class Drawing:
    """A picture whose origin is the lower left corner; every position is in inches.

    Without matplotlib's axes, which take 50 ms each.
    """

    def __init__(self, width: float, height: float) -> None:
        self._height = height
        self._figure = Figure(figsize=(width, height), dpi=_DPI, facecolor="white")
        self._inches = self._figure.dpi_scale_trans

    def text(self, left: float, bottom: float, text: str, **style: Any) -> None:
        """Dollar signs have no special meaning."""
        style.setdefault("color", INK)
        self._figure.text(left, bottom, text, parse_math=False, transform=self._inches, **style)

    def title(self, left: float, title: str, subtitle: str) -> None:
        self.text(left, self._height - 0.36, title, fontsize=12, fontweight="bold")
        self.text(left, self._height - 0.58, subtitle, fontsize=9)

    def image(
        self, left: float, bottom: float, width: float, height: float, pixels: NDArray[np.uint8]
    ) -> None:
        """``pixels``: uint8 [H, W, 3], drawn with a frame."""
        box = Bbox.from_bounds(left, bottom, width, height)
        image = BboxImage(TransformedBbox(box, self._inches), interpolation="nearest")
        image.set_data(pixels)
        self._figure.add_artist(image)
        frame = Rectangle((left, bottom), width, height, fill=False, edgecolor=_FRAME)
        frame.set(linewidth=0.8, transform=self._inches)
        self._figure.add_artist(frame)

    def lines(self, segments: Sequence[tuple[tuple[float, float], tuple[float, float]]]) -> None:
        """Pale lines, each from one point to another."""
        lines = LineCollection(segments, colors=_GRID, linewidths=0.6, transform=self._inches)
        self._figure.add_artist(lines)

    def curve(
        self, points: Sequence[tuple[float, float]], *, dashed: bool = False, dots: bool = False
    ) -> None:
        """A line from point to point."""
        across, up = zip(*points, strict=True)
        line = Line2D(
            across,
            up,
            color=INK,
            linewidth=1.0 if dashed else 1.8,
            linestyle="--" if dashed else "-",
            marker="o" if dots else "",
            markersize=4,
            transform=self._inches,
        )
        self._figure.add_artist(line)

    def png(self) -> bytes:
        buffer = io.BytesIO()
        self._figure.savefig(buffer, format="png", metadata={"Software": None})
        return buffer.getvalue()


@contextmanager
def reproducible() -> Iterator[None]:
    """Without pyplot or the user's style, the same input gives the same bytes inside the block."""
    with mpl.rc_context(), warnings.catch_warnings():
        # Characters that the bundled font lacks are drawn as boxes; they must not end a training.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        mpl.rcdefaults()
        yield


def shortened(label: Label, longest: int) -> str:
    """A long label without its middle, since names often differ only at the end."""
    text = printable(str(label))
    half = longest // 2
    return text if len(text) <= longest else f"{text[: longest - half - 1]}…{text[-half:]}"
