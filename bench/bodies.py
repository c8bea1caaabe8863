"""What an image costs as it is, beside the same image as base64 within JSON.

    python -m bench.bodies [--rounds 9]

One server answers both in turns; JPEGs of 30 KB. Linux only.
"""

import json
import statistics
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import click

from bench.dialects import DIALECTS
from bench.machine import heading
from bench.plan import run
from bench.process import ROOT
from bench.runner import Runner, make_material, start
from bench.servers import SERVERS
from bench.table import markdown

MODEL = "photos"
CONNECTIONS = 32


def microseconds(runner: Runner, dialect: str, seconds: float) -> float:
    """Of processor time, for each right answer."""
    result = run(replace(runner.plan(CONNECTIONS, seconds, warm=0.5), dialect=dialect))
    return result.server_cpu_seconds / max(result.right, 1) * 1e6


def request_bytes(images: Path, dialect: str) -> float:
    """The median size of a request."""
    pairs = json.loads(images.read_text())
    return statistics.median(len(DIALECTS[dialect].request(100, image)) for image, _ in pairs)


@click.command(context_settings={"show_default": True, "max_content_width": 100})
@click.option("--rounds", default=9, type=click.IntRange(1))
@click.option("--seconds", default=2.0, type=click.FloatRange(0.5), help="Of each measurement.")
@click.option("--output", default=ROOT / "bench" / "bodies.md", type=click.Path(path_type=Path))
def main(rounds: int, seconds: float, output: Path) -> None:
    """Say what the kind of a body costs."""
    with tempfile.TemporaryDirectory(prefix="pupila-bench-") as folder:
        home = make_material(MODEL, Path(folder))
        with start(SERVERS["pupila"], home) as runner:
            costs = [
                (microseconds(runner, "fields", seconds), microseconds(runner, "file", seconds))
                for _ in range(rounds)
            ]
        sizes = [request_bytes(home / "images.json", dialect) for dialect in ("fields", "file")]
    medians = [statistics.median(column) for column in zip(*costs, strict=True)]
    ratio = statistics.median(file / fields for fields, file in costs)
    rows = [
        ("base64 within JSON", f"{medians[0]:,.0f}", f"{sizes[0]:,.0f}"),
        ("the file as it is", f"{medians[1]:,.0f}", f"{sizes[1]:,.0f}"),
        ("the second divided by the first", f"{ratio:.3f}", f"{sizes[1] / sizes[0]:.3f}"),
    ]
    text = "\n".join(
        [
            heading("Bodies", ["python -m bench.bodies", " ".join(sys.argv[1:])]),
            f"{CONNECTIONS} connections; medians of rounds, the ratio round by round.\n",
            markdown(("an image", "µs of processor time", "bytes of a request"), rows),
        ]
    )
    output.write_text(text + "\n", encoding="utf-8")
    click.echo(text)


if __name__ == "__main__":
    main(prog_name="python -m bench.bodies")
