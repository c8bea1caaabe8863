"""A database that is killed under load, and back a minute later: what do predictions see of it?

    python -m bench.outage [--seconds 60] [--share 0.5]

PostgreSQL, of this machine, on a socket of its own. All predictions are kept, so that the memory
that a worker keeps for what waits (``PUPILA_RECORD_BUFFER_BYTES``) is full long before it is back.
Linux only.
"""

import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

import click
import psycopg
from prometheus_client.parser import text_string_to_metric_families

from bench.machine import heading
from bench.plan import Result, run
from bench.process import ROOT
from bench.recorder import server
from bench.runner import Runner, make_material, start
from bench.table import markdown
from tests.databases import Postgres, postgres_server

CONNECTIONS = 64
BEFORE_SECONDS = 20.0
AFTER_SECONDS = 40.0
EVERY_SECONDS = 2.0


class Outage(threading.Thread):
    """Kills the database and starts it again; ``samples``: (second, MiB, phase)."""

    def __init__(self, postgres: Postgres, runner: Runner, seconds: float) -> None:
        super().__init__()
        self.postgres, self.runner, self.seconds = postgres, runner, seconds
        self.samples: list[tuple[float, float, str]] = []
        self.started = time.monotonic()

    def run(self) -> None:
        self.watch("before", BEFORE_SECONDS)
        self.postgres.stop("immediate")
        self.watch("away", self.seconds)
        self.postgres.start()
        self.watch("back", AFTER_SECONDS)

    def watch(self, phase: str, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            memory = self.runner.tree.memory_mib()
            self.samples.append((time.monotonic() - self.started, memory, phase))
            time.sleep(EVERY_SECONDS)

    def most(self, phase: str) -> float:
        return max(memory for _, memory, of in self.samples if of == phase)


def metrics(port: int, name: str) -> dict[str, float]:
    """A counter of the running server, by its first label; without one by ""."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as response:
        text = response.read().decode()
    return {
        next(iter(sample.labels.values()), ""): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name
    }


def rows(url: str, query: str) -> int:
    with psycopg.connect(url) as connection:
        found = connection.execute(query).fetchone()
    return int(found[0] or 0) if found else 0


def report(result: Result, outage: Outage, kept: int, counted: int, port: int) -> str:
    dropped = metrics(port, "pupila_records_dropped_total")
    table = [
        ["right answers", f"{result.right:,}"],
        ["wrong, refused, lost", f"{result.wrong:,}, {result.refused:,}, {result.lost:,}"],
        ["p50, p99 ms", f"{result.p50_ms:.2f}, {result.p99_ms:.2f}"],
        *[
            [f"memory MiB at most, database {phase}", f"{outage.most(phase):.0f}"]
            for phase in ("before", "away", "back")
        ],
        ["predictions in the database", f"{kept:,}"],
        ["dropped, by reason", ", ".join(f"{k} {v:,.0f}" for k, v in dropped.items() if v)],
        ["kept and dropped", f"{kept + sum(dropped.values()):,.0f}"],
        ["counted in the database", f"{counted:,}"],
    ]
    return markdown(("", ""), table)


@click.command(context_settings={"show_default": True, "max_content_width": 100})
@click.option("--seconds", default=60.0, type=click.FloatRange(1), help="That it is away.")
@click.option("--share", default=0.5, type=click.FloatRange(0.01, 1), help="Of the capacity.")
@click.option("--output", default=ROOT / "bench" / "outage.md", type=click.Path(path_type=Path))
def main(seconds: float, share: float, output: Path) -> None:
    """Kill the database under load."""
    with (
        tempfile.TemporaryDirectory(prefix="pupila-bench-") as folder,
        postgres_server(Path(tempfile.gettempdir())) as postgres,
    ):
        home = make_material("logistic", Path(folder))
        url = postgres.database()
        all_kept = {"PUPILA_RECORD_PER_MINUTE": str(10**8), "PUPILA_DATABASE_URL": url}
        with start(server("outage", **all_kept), home) as runner:
            best = runner.capacity()
            rate = share * best.right / best.seconds
            total = BEFORE_SECONDS + seconds + AFTER_SECONDS
            outage = Outage(postgres, runner, seconds)
            outage.start()
            result = run(runner.plan(CONNECTIONS, total, rate=rate))
            outage.join()
            time.sleep(EVERY_SECONDS)
            kept = rows(url, "select count(*) from predictions")
            counted = rows(url, "select sum(count) from traffic where kind = 'status'")
            table = report(result, outage, kept, counted, runner.port)
    title = heading("A database that goes away", ["python -m bench.outage", *sys.argv[1:]])
    output.write_text(f"{title}\n{table}\n", encoding="utf-8")
    click.echo(table)


if __name__ == "__main__":
    main(prog_name="python -m bench.outage")
