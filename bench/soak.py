"""Pupila at 80 % of what it can do, for ten minutes: does its memory grow, is any answer not right?

    python -m bench.soak [--seconds 600] [--model logistic] [--share 0.8]

Linux only. The first minute is for caches to fill; growth is from the mean of the first three
samples after it to the mean of the last three.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import click

from bench.machine import heading
from bench.material import MODELS
from bench.plan import Plan, Result, run
from bench.process import ROOT, Tree
from bench.runner import make_material, start
from bench.servers import SERVERS
from bench.table import markdown

CONNECTIONS = 128
EVERY_SECONDS = 10.0
FIRST_SECONDS = 60.0


def soak(plan: Plan, tree: Tree) -> tuple[Result, list[tuple[float, float]]]:
    """The load's result, and (second, MiB) each ten seconds while it lasted."""
    with ThreadPoolExecutor(1) as pool:
        load = pool.submit(run, plan)
        samples = list(_samples(tree, plan.seconds))
        return load.result(), samples


def _samples(tree: Tree, seconds: float) -> Iterator[tuple[float, float]]:
    started = time.monotonic()
    for number in range(int(seconds / EVERY_SECONDS) + 1):
        time.sleep(max(0.0, started + number * EVERY_SECONDS - time.monotonic()))
        second, memory = time.monotonic() - started, tree.memory_mib()
        click.echo(f"{second:5.0f} s  {memory:7.1f} MiB", err=True)
        yield second, memory


def growth(samples: list[tuple[float, float]]) -> float | None:
    """In percent, after the first minute; None where there are too few samples."""
    later = [memory for second, memory in samples if second >= FIRST_SECONDS]
    if len(later) < 6:
        return None
    return (statistics.mean(later[-3:]) / statistics.mean(later[:3]) - 1) * 100


def report(
    result: Result, samples: list[tuple[float, float]], peak: float, rate: float, arguments: str
) -> str:
    grown = growth(samples)
    not_right = result.wrong + result.refused + result.lost
    rows = [
        ["capacity, requests/s", f"{peak:,.0f}"],
        ["asked, requests/s", f"{rate:,.0f}"],
        ["right", f"{result.right:,}"],
        ["not right", f"{not_right:,} {result.first_wrong}".strip()],
        ["not sent, all connections busy", f"{result.unsent:,}"],
        ["p50, p99 ms", f"{result.p50_ms:.2f}, {result.p99_ms:.2f}"],
        ["growth after the first minute", "too short" if grown is None else f"{grown:+.2f} %"],
    ]
    memory = [[f"{second:.0f}", f"{mib:.1f}"] for second, mib in samples]
    parts = [heading("Soak", ["python -m bench.soak", arguments]), markdown(("", ""), rows), ""]
    return "\n".join([*parts, markdown(("second", "memory MiB"), memory)]) + "\n"


@click.command(context_settings={"show_default": True, "max_content_width": 100})
@click.option("--seconds", default=600.0, type=click.FloatRange(1))
@click.option("--model", default="logistic", type=click.Choice(list(MODELS)))
@click.option("--share", default=0.8, type=click.FloatRange(0.01, 1), help="Of the capacity.")
@click.option("--output", default=ROOT / "bench" / "soak.md", type=click.Path(path_type=Path))
def main(seconds: float, model: str, share: float, output: Path) -> None:
    """Load Pupila for long, and watch its memory."""
    with tempfile.TemporaryDirectory(prefix="pupila-bench-") as folder:
        home = make_material(model, Path(folder))
        with start(SERVERS["pupila"], home) as runner:
            best = runner.capacity()
            peak = best.right / best.seconds
            rate = share * peak
            result, samples = soak(runner.plan(CONNECTIONS, seconds, rate=rate), runner.tree)
    text = report(result, samples, peak, rate, " ".join(sys.argv[1:]))
    output.write_text(text, encoding="utf-8")
    click.echo(text)


if __name__ == "__main__":
    main(prog_name="python -m bench.soak")
