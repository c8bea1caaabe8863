"""What a deployment needs: requests a second of a processor, memory, processor hours a month.

    python -m bench.sizing [--rounds 5]

One worker, 32 clients, no other server; medians of rounds. Memory is the worker's proportional set
size: with one version, and what each of five more of the same model adds once it has answered. The
last table is arithmetic: requests a second, times processor time a request, over how busy a
processor should be at most, times 730 hours. Linux only.
"""

import statistics
import sys
import tempfile
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import orjson

from bench.machine import heading
from bench.material import MODELS
from bench.plan import run
from bench.process import ROOT
from bench.runner import WARM_SECONDS, Runner, make_material, start
from bench.servers import SERVERS
from bench.table import markdown
from bench.workers import memory

CLIENTS = 32
MORE = 5
BUSY = 0.6
MONTH_HOURS = 730
RATES = (10, 1_000, 100_000)


@dataclass(frozen=True)
class Need:
    """``micros`` of processor time a request; MiB of a worker, and of one more version."""

    model: str
    micros: float
    worker: float
    version: float


def measure(model: str, folder: Path, rounds: int, seconds: float) -> Need:
    home = make_material(model, folder, MORE)
    with start(SERVERS["pupila"], home) as runner:
        costs = []
        for _ in range(rounds):
            result = run(runner.plan(CLIENTS, seconds, warm=WARM_SECONDS))
            costs.append(result.server_cpu_seconds / max(result.right, 1) * 1e6)
        worker = memory(runner)[0][0]
        for number in range(MORE):
            ask(runner, f"more{number}")
        return Need(model, statistics.median(costs), worker, (memory(runner)[0][0] - worker) / MORE)


def ask(runner: Runner, model: str) -> None:
    image, _ = orjson.loads((runner.model / "images.json").read_bytes())[0]
    body = orjson.dumps({"request_id": "0", "model": model, "image": image})
    url = f"http://127.0.0.1:{runner.port}/predict/"
    with urllib.request.urlopen(url, body, timeout=10) as response:
        response.read()


def report(needs: Sequence[Need], arguments: str) -> str:
    head = ("", "µs of a processor", "requests/s of a vCPU", "worker MiB", "one more version MiB")
    rows = [
        [
            MODELS[need.model],
            f"{need.micros:.0f}",
            f"{1e6 / need.micros:,.0f}",
            f"{need.worker:.0f}",
            f"{need.version:.1f}",
        ]
        for need in needs
    ]
    hours = [
        [MODELS[need.model], *(f"{month(rate, need.micros):,.1f}" for rate in RATES)]
        for need in needs
    ]
    rule = (
        f"\nProcessor hours a month, with processors {BUSY:.0%} busy: requests/s x µs / 1,000,000"
        f" / {BUSY} x {MONTH_HOURS} h.\n"
    )
    lines = [
        heading("Sizing", ["python -m bench.sizing", arguments]),
        markdown(head, rows),
        rule,
        markdown(("", *(f"{rate:,} requests/s" for rate in RATES)), hours),
    ]
    return "\n".join(lines) + "\n"


def month(rate: float, micros: float) -> float:
    """Processor hours of a month."""
    return rate * micros / 1e6 / BUSY * MONTH_HOURS


@click.command(context_settings={"show_default": True, "max_content_width": 100})
@click.option("--rounds", default=5, type=click.IntRange(1))
@click.option("--seconds", default=2.0, type=click.FloatRange(0.1), help="Of each measurement.")
@click.option("--output", default=ROOT / "bench" / "sizing.md", type=click.Path(path_type=Path))
def main(rounds: int, seconds: float, output: Path) -> None:
    """Say what a deployment needs."""
    with tempfile.TemporaryDirectory(prefix="pupila-bench-") as folder:
        needs = [measure(model, Path(folder), rounds, seconds) for model in MODELS]
    text = report(needs, " ".join(sys.argv[1:]))
    output.write_text(text, encoding="utf-8")
    click.echo(text)


if __name__ == "__main__":
    main(prog_name="python -m bench.sizing")
