"""Backups of the records under load, and a restore: what do predictions see of them?

    python -m bench.backups [--seconds 60] [--share 0.3]

A server that keeps every prediction, in SQLite and in PostgreSQL. Meanwhile two backups are written
by ``python -m records backup``, the first is restored to a database of its own, where its rows are
counted, and last it replaces what the server is writing to. Linux only.
"""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import click

from bench.machine import heading
from bench.outage import metrics
from bench.plan import Result, run
from bench.process import ROOT
from bench.recorder import server
from bench.runner import make_material, start
from bench.table import markdown
from records.database import Database
from records.stats import stats
from tests.databases import postgres_server

CONNECTIONS = 32


class Steps(threading.Thread):
    """What an operator does, at thirds of the time; ``took``: seconds of each step."""

    def __init__(self, url: str, other: str, folder: Path, seconds: float) -> None:
        super().__init__()
        self.url, self.other, self.folder, self.seconds = url, other, folder, seconds
        self.took: dict[str, float] = {}
        self.said: dict[str, Any] = {}

    def run(self) -> None:
        first, second = self.folder / "first", self.folder / "second"
        time.sleep(self.seconds / 4)
        self.step("backup", self.url, "backup", str(first))
        self.step("elsewhere", self.other, "restore", str(first))
        time.sleep(self.seconds / 4)
        self.step("second", self.url, "backup", str(second))
        self.step("replaced", self.url, "restore", "--replace", str(first))

    def step(self, name: str, url: str, *arguments: str) -> None:
        began = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-m", "records", *arguments, "--json"],
            env=os.environ | {"PUPILA_DATABASE_URL": url},
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        self.took[name] = time.monotonic() - began
        if done.returncode:
            raise RuntimeError(done.stderr)
        self.said[name] = json.loads(done.stdout)

    def row(self, kind: str, result: Result, quiet: Result, port: int) -> list[str]:
        counted = dict[str, int]()
        for name, url in (("there", self.other), ("now", self.url)):
            with Database(url) as database:
                (model,) = stats(database).models
                counted[name] = model.kept
        first, second = (self.said[name]["rows"]["predictions"] for name in ("backup", "second"))
        dropped = sum(metrics(port, "pupila_records_dropped_total").values())
        return [
            kind,
            f"{first:,}",
            f"{self.said['backup']['bytes'] / 1e6:,.0f}",
            f"{self.took['backup']:.1f}",
            f"{counted['there']:,}",
            f"{second:,}",
            f"{self.took['replaced']:.1f}",
            f"{counted['now']:,}",
            f"{result.right:,}",
            f"{result.wrong + result.refused + result.lost:,}",
            f"{dropped:,.0f}",
            f"{result.p99_ms:.1f} / {quiet.p99_ms:.1f}",
        ]


COLUMNS = (
    "database",
    "predictions in the backup",
    "MB",
    "s",
    "the same elsewhere",
    "in the second",
    "restore s",
    "at the end",
    "right answers",
    "not right",
    "records dropped",
    "p99 ms / without",
)


def measure(
    kind: str, url: str, other: str, folder: Path, seconds: float, share: float
) -> list[str]:
    home = make_material("logistic", folder)
    all_kept = {"PUPILA_RECORD_PER_MINUTE": str(10**8), "PUPILA_DATABASE_URL": url}
    with start(server("backups", **all_kept), home) as runner:
        best = runner.capacity()
        rate = share * best.right / best.seconds
        quiet = run(runner.plan(CONNECTIONS, seconds / 2, rate=rate))
        steps = Steps(url, other, folder, seconds)
        steps.start()
        result = run(runner.plan(CONNECTIONS, seconds, rate=rate))
        steps.join()
        # More than the server waits before it writes.
        time.sleep(2)
        return steps.row(kind, result, quiet, runner.port)


@click.command(context_settings={"show_default": True, "max_content_width": 100})
@click.option("--seconds", default=60.0, type=click.FloatRange(4), help="Of the load.")
@click.option("--share", default=0.3, type=click.FloatRange(0.01, 1), help="Of the capacity.")
@click.option("--output", default=ROOT / "bench" / "backups.md", type=click.Path(path_type=Path))
def main(seconds: float, share: float, output: Path) -> None:
    """Back up and restore under load."""
    rows = []
    with tempfile.TemporaryDirectory(prefix="pupila-bench-") as name:
        folder = Path(name)
        (folder / "sqlite").mkdir()
        url, other = (f"sqlite:///{folder}/sqlite/{one}.db" for one in ("records", "other"))
        rows.append(measure("SQLite", url, other, folder / "sqlite", seconds, share))
        with postgres_server(Path(tempfile.gettempdir())) as postgres:
            (folder / "postgresql").mkdir()
            url, other = postgres.database(), postgres.database()
            rows.append(measure("PostgreSQL", url, other, folder / "postgresql", seconds, share))
    table = markdown(COLUMNS, rows)
    title = heading("Backups under load", ["python -m bench.backups", *sys.argv[1:]])
    output.write_text(f"{title}\n{table}\n", encoding="utf-8")
    click.echo(table)


if __name__ == "__main__":
    main(prog_name="python -m bench.backups")
