"""What another worker brings, and what memory each takes.

    python -m bench.workers [--models photos] [--workers 1,2] [--rounds 5]

One server for each number of workers; they take turns, as in ``bench.serving``, so a machine with
fewer processors than workers and client shows less. All clients connect at once. Memory is each
worker's proportional set size (PSS) and resident set size (RSS) after the load. Linux only.
"""

import contextlib
import itertools
import re
import statistics
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import click

from bench.machine import heading
from bench.material import MODELS, SLOW
from bench.options import listed
from bench.plan import Result, run
from bench.process import ROOT
from bench.runner import SETTLE_SECONDS, WARM_SECONDS, Runner, make_material, start
from bench.servers import SERVERS, Server
from bench.table import markdown

TITLES = SLOW | {name: MODELS[name] for name in ("logistic", "photos")}


def pupila(workers: int) -> Server:
    """Pupila with so many workers."""
    return SERVERS["pupila"].with_settings({"PUPILA_WORKERS": str(workers)})


def measure(
    runners: Mapping[int, Runner], clients: int, rounds: int, seconds: float
) -> dict[int, list[Result]]:
    """The results of each number of workers, a round after the other."""
    found: dict[int, list[Result]] = {workers: [] for workers in runners}
    for _, (workers, runner) in itertools.product(range(rounds), runners.items()):
        runner.tree.thaw()
        found[workers].append(
            run(runner.plan(clients, seconds, warm=SETTLE_SECONDS + WARM_SECONDS))
        )
        runner.tree.freeze()
    return found


def memory(runner: Runner) -> list[tuple[float, float]]:
    """PSS and RSS in MiB of each worker: the processes below the one that was started."""
    found = []
    for process in runner.tree.processes()[1:]:
        text = Path(f"/proc/{process}/smaps_rollup").read_text()
        lines = re.findall(r"^(Pss|Rss):\s+(\d+) kB", text, re.MULTILINE)
        sizes = {name: int(kib) for name, kib in lines}
        found.append((sizes["Pss"] / 1024, sizes["Rss"] / 1024))
    return found


def table(
    found: Mapping[int, list[Result]], memories: Mapping[int, list[tuple[float, float]]]
) -> str:
    first = min(found)
    rows = []
    for workers, results in found.items():
        rates = [one.right / one.seconds for one in results]
        ratios = [
            rate / (one.right / one.seconds) for rate, one in zip(rates, found[first], strict=True)
        ]
        busy = statistics.median(one.server_cpu_seconds / one.seconds for one in results)
        waits = statistics.median(one.p50_ms for one in results)
        sizes = ", ".join(f"{pss:.0f} ({rss:.0f})" for pss, rss in memories[workers])
        rows.append(
            [
                str(workers),
                f"{statistics.median(rates):,.0f}",
                f"{statistics.median(ratios):.2f}",
                f"{waits:.3g}",
                f"{busy:.2f}",
                f"{sum(one.wrong + one.refused + one.lost for one in results)}",
                sizes,
            ]
        )
    head = (
        "workers",
        "requests/s",
        f"of {first}'s",
        "p50 ms",
        "processors used",
        "not right",
        "PSS (RSS) MiB",
    )
    return markdown(head, rows)


def compared(model: str, numbers: list[int], clients: int, rounds: int, seconds: float) -> str:
    """The table of a model."""
    with (
        tempfile.TemporaryDirectory(prefix="pupila-bench-") as folder,
        contextlib.ExitStack() as stack,
    ):
        home = make_material(model, Path(folder))
        runners = {}
        for number in numbers:
            runners[number] = stack.enter_context(start(pupila(number), home))
            runners[number].tree.freeze()
        found = measure(runners, clients, rounds, seconds)
        memories = {number: memory(runner) for number, runner in runners.items()}
    return table(found, memories)


@click.command(context_settings={"show_default": True, "max_content_width": 100})
@click.option("--models", default="all", callback=listed(tuple(TITLES)), help=", ".join(TITLES))
@click.option("--workers", default="1,2", help="Numbers of workers.")
@click.option("--clients", default=16, type=click.IntRange(1))
@click.option("--rounds", default=5, type=click.IntRange(1))
@click.option("--seconds", default=3.0, type=click.FloatRange(0.1), help="Of each measurement.")
@click.option("--output", default=ROOT / "bench" / "workers.md", type=click.Path(path_type=Path))
def main(
    models: list[str], workers: str, clients: int, rounds: int, seconds: float, output: Path
) -> None:
    """Compare numbers of workers."""
    numbers = sorted(int(number) for number in workers.split(","))
    parts = [heading("Workers", ["python -m bench.workers", " ".join(sys.argv[1:])])]
    parts.append(f"{clients} clients, medians of {rounds} rounds.\n")
    for model in models:
        title = TITLES[model]
        parts += [f"## {title[0].upper()}{title[1:]}\n"]
        parts += [compared(model, numbers, clients, rounds, seconds), ""]
    text = "\n".join(parts)
    output.write_text(text, encoding="utf-8")
    click.echo(text)


if __name__ == "__main__":
    main(prog_name="python -m bench.workers")
