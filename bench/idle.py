"""What a server that nobody asks takes of a processor, and how often it wakes up.

    python -m bench.idle [--rounds 5] [--seconds 20] [--against ../earlier]

All servers run at the same time, each with a worker for each CPU and a model of digits, and have
answered for a while before. A processor that has nothing else in its caches takes several times as
long for the same work, so that this is paid for by every request of a server that has few of them.
``--against``, another checkout, adds the server of that one. Linux only.
"""

import contextlib
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click

from bench.machine import heading
from bench.parts import other
from bench.plan import run
from bench.process import ROOT, Tree
from bench.runner import make_material, start
from bench.servers import SERVERS, Server
from bench.table import markdown

MODEL = "logistic"
ASKED_SECONDS = 3.0
REST_SECONDS = 8.0
"""By then, what the requests left is written, and free memory was given back."""


@dataclass(frozen=True)
class Spent:
    """Since its start: nanoseconds of a processor, and how often it went to sleep by itself."""

    cpu_ns: int
    sleeps: int

    def __sub__(self, other: "Spent") -> "Spent":
        return Spent(self.cpu_ns - other.cpu_ns, self.sleeps - other.sleeps)


def spent(tree: Tree) -> Spent:
    """Of all threads that live; the few that end meanwhile are not told."""
    cpu = sleeps = 0
    for process in tree.processes():
        for thread in Path(f"/proc/{process}/task").iterdir():
            with contextlib.suppress(OSError):
                cpu += int((thread / "schedstat").read_text().split()[0])
                status = (thread / "status").read_text()
                sleeps += int(status.partition("\nvoluntary_ctxt_switches:")[2].split()[0])
    return Spent(cpu, sleeps)


def measured(servers: list[Server], rounds: int, seconds: float) -> Iterator[list[Spent]]:
    """What each server has spent in each round."""
    with (
        tempfile.TemporaryDirectory(prefix="pupila-bench-") as folder,
        contextlib.ExitStack() as up,
    ):
        home = make_material(MODEL, Path(folder))
        runners = [up.enter_context(start(server, home)) for server in servers]
        for runner in runners:
            run(runner.plan(16, ASKED_SECONDS))
        time.sleep(REST_SECONDS)
        for _ in range(rounds):
            before = [spent(runner.tree) for runner in runners]
            time.sleep(seconds)
            yield [spent(runner.tree) - one for runner, one in zip(runners, before, strict=True)]


@click.command(context_settings={"show_default": True})
@click.option("--rounds", default=5, type=click.IntRange(1))
@click.option("--seconds", default=20.0, type=click.FloatRange(1), help="Of each round.")
@click.option(
    "--against",
    type=click.Path(exists=True, file_okay=False, resolve_path=True, path_type=Path),
    help="Another checkout, whose server is measured too.",
)
@click.option("--output", default=ROOT / "bench" / "idle.md", type=click.Path(path_type=Path))
def main(rounds: int, seconds: float, against: Path | None, output: Path) -> None:
    """Measure what servers take while they are at rest."""
    servers = [SERVERS["pupila"], *([other(against)] if against else [])]
    workers = {"PUPILA_WORKERS": str(os.cpu_count())}
    found = list(measured([one.with_settings(workers) for one in servers], rounds, seconds))
    rows = []
    for server, each in zip(servers, zip(*found, strict=True), strict=True):
        ratio = statistics.median(
            one.cpu_ns / first[0].cpu_ns for one, first in zip(each, found, strict=True)
        )
        rows.append(
            [
                server.title,
                f"{statistics.median(one.cpu_ns for one in each) / seconds / 1e6:.1f}",
                f"{statistics.median(one.sleeps for one in each) / seconds:.0f}",
                f"{ratio:.2f}",
            ]
        )
    head = ("at rest", "ms of a processor a second", "wakes a second", "time / the first's")
    text = (
        heading("Servers at rest", ["python -m bench.idle", *sys.argv[1:]])
        + f"\n{os.cpu_count()} workers each, medians of {rounds} rounds of {seconds:g} s.\n\n"
        + markdown(head, rows)
        + "\n"
    )
    output.write_text(text, encoding="utf-8")
    click.echo(text)


if __name__ == "__main__":
    main(prog_name="python -m bench.idle")
