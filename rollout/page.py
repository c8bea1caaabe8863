"""A verdict as one HTML file that can be mailed; nothing is loaded from elsewhere."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from cli import printable
from errors import RolloutError
from rollout.table import cost_rows, measure_cells, number
from rollout.verdict import GateVerdict

_CLASSES = 100


def render(verdict: GateVerdict) -> str:
    """The page. Labels are escaped: they come from whoever named the classes."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_clean,
    )
    environment.filters.update(cells=measure_cells, number=number)
    return environment.get_template("verdict.html").render(
        verdict=verdict, costs=cost_rows(verdict), most=_CLASSES
    )


def write(verdict: GateVerdict, path: Path) -> None:
    """Write the page. Raises RolloutError."""
    try:
        path.write_text(render(verdict), encoding="utf-8")
    except OSError as error:
        raise RolloutError(f"{path} cannot be written: {error.strerror}.") from error


def _clean(value: object) -> object:
    return printable(value) if type(value) is str else value
