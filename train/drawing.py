"""Figures measured in inches, as PNG bytes that depend on their input alone."""

import io
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
from matplotlib.figure import Figure

from cli import printable
from models.manifest import Label

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matplotlib.axes import Axes

INK = "#1f2933"
TITLE_INCHES = 0.75

_DPI = 100


def axes_at(figure: Figure, left: float, bottom: float, width: float, height: float) -> "Axes":
    """Axes at a position in inches."""
    across, up = figure.get_size_inches()
    axes = figure.add_axes((left / across, bottom / up, width / across, height / up))
    for spine in axes.spines.values():
        spine.set_color("#9aa5b1")
    return axes


def write(figure: Figure, left: float, bottom: float, text: str, **style: Any) -> None:
    """Text at a position in inches; dollar signs have no special meaning."""
    across, up = figure.get_size_inches()
    figure.text(left / across, bottom / up, text, parse_math=False, **{"color": INK} | style)


def write_title(figure: Figure, left: float, title: str, subtitle: str) -> None:
    top = float(figure.get_size_inches()[1])
    write(figure, left, top - 0.36, title, fontsize=12, fontweight="bold")
    write(figure, left, top - 0.58, subtitle, fontsize=9)


@contextmanager
def drawing(width: float, height: float) -> "Iterator[tuple[Figure, io.BytesIO]]":
    """A figure of the given size in inches, and the buffer that has its PNG after the block.

    Without pyplot, the user's style or a version in the file, the same input gives the same bytes.
    """
    with mpl.rc_context(), warnings.catch_warnings():
        # Characters that the bundled font lacks are drawn as boxes; they must not end a training.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        mpl.rcdefaults()
        figure = Figure(figsize=(width, height), dpi=_DPI, facecolor="white")
        buffer = io.BytesIO()
        yield figure, buffer
        figure.savefig(buffer, format="png", metadata={"Software": None})


def shortened(label: Label, longest: int) -> str:
    """A long label without its middle, since names often differ only at the end."""
    text = printable(str(label))
    half = longest // 2
    return text if len(text) <= longest else f"{text[: longest - half - 1]}…{text[-half:]}"
