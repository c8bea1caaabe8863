"""What a request of the Open Inference Protocol costs, beside one of ``/predict/``.

    python -m bench.oip [--rounds 9]

One server answers all in turns: 8x8 JPEGs, for a logistic regression. Linux only.
"""

import statistics
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import click

from bench.machine import heading
from bench.plan import run
from bench.process import ROOT
from bench.runner import Runner, make_material, start
from bench.servers import SERVERS
from bench.table import markdown

MODEL = "logistic"
CONNECTIONS = 32
DIALECTS = {
    "fields": "`/predict/`",
    "v2_binary": "Open Inference Protocol, binary tensors in and out",
    "v2": "Open Inference Protocol, JSON",
}


def cost(runner: Runner, dialect: str, seconds: float) -> tuple[float, float]:
    """Microseconds of processor time for each right answer, and right answers a second."""
    result = run(replace(runner.plan(CONNECTIONS, seconds, warm=0.5), dialect=dialect))
    if result.wrong:
        raise click.ClickException(f"{dialect}: a wrong answer, {result.first_wrong[:300]}")
    return result.server_cpu_seconds / max(result.right, 1) * 1e6, result.right / result.seconds


@click.command(context_settings={"show_default": True, "max_content_width": 100})
@click.option("--rounds", default=9, type=click.IntRange(1))
@click.option("--seconds", default=2.0, type=click.FloatRange(0.5), help="Of each measurement.")
@click.option("--output", default=ROOT / "bench" / "oip.md", type=click.Path(path_type=Path))
def main(rounds: int, seconds: float, output: Path) -> None:
    """Say what the protocol costs."""
    with tempfile.TemporaryDirectory(prefix="pupila-bench-") as folder:
        home = make_material(MODEL, Path(folder))
        with start(SERVERS["pupila"], home) as runner:
            found = [
                {name: cost(runner, name, seconds) for name in DIALECTS} for _ in range(rounds)
            ]
    rows = []
    for name, title in DIALECTS.items():
        microseconds = statistics.median(one[name][0] for one in found)
        by_time = statistics.median(one["fields"][0] / one[name][0] for one in found)
        by_rate = statistics.median(one[name][1] / one["fields"][1] for one in found)
        rows.append((title, f"{microseconds:.0f}", f"{by_time:.3f}", f"{by_rate:.3f}"))
    text = "\n".join(
        [
            heading("Open Inference Protocol", ["python -m bench.oip", " ".join(sys.argv[1:])]),
            f"{CONNECTIONS} connections; medians of rounds, the ratios round by round. `/predict/`",
            "answers a label; the others answer the label and all probabilities.\n",
            markdown(
                ("", "µs of processor time", "requests for the same time", "requests a second"),
                rows,
            ),
        ]
    )
    output.write_text(text + "\n", encoding="utf-8")
    click.echo(text)


if __name__ == "__main__":
    main(prog_name="python -m bench.oip")
