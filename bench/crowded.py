"""What it costs that a store has many versions: start, rest, and ``models list``.

    python -m bench.crowded [--versions 300] [--seconds 20] [--rounds 3]

A server with one worker on a store with one version, and one with all of them, in turns. Processor
time at rest is of all its processes, after it is ready and without requests. Linux only.
"""

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import click

from bench.machine import heading
from bench.process import ROOT, free_port, running
from bench.table import markdown
from models.store import Store
from tests.drafts import LinearDraft

SETTLE_SECONDS = 5.0


def make(home: Path, versions: int) -> Path:
    store = Store(home / "models")
    for seed in range(versions):
        store.save(LinearDraft(seed=seed))
    return home


def settings(home: Path, port: int) -> dict[str, str]:
    return {
        "BENTOML_HOME": str(home),
        "BENTOML_DO_NOT_TRACK": "True",
        "PUPILA_HOME": str(home / "pupila"),
        "PUPILA_WORKERS": "1",
        "PORT": str(port),
    }


def served(home: Path, seconds: float) -> tuple[float, float, float]:
    """Seconds and CPU seconds until it is ready, and per cent of a CPU at rest."""
    port = free_port()

    def ready() -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5):
                return True
        except OSError:
            return False

    command = [str(Path(sys.executable).with_name("bentoml")), "serve"]
    began = time.monotonic()
    with running(command, settings(home, port), home / "log", ready) as tree:
        took, cpu = time.monotonic() - began, tree.cpu_seconds()
        time.sleep(SETTLE_SECONDS)
        before, since = tree.cpu_seconds(), time.monotonic()
        time.sleep(seconds)
        rest = (tree.cpu_seconds() - before) / (time.monotonic() - since)
    return took, cpu, 100 * rest


def listed(home: Path) -> float:
    """CPU seconds of ``python -m models list``."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, "-m", "models", "list"],
        cwd=ROOT,
        env=os.environ | settings(home, free_port()),
        stdout=subprocess.DEVNULL,
        check=True,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


@click.command(context_settings={"show_default": True, "max_content_width": 100})
@click.option("--versions", default=300, type=click.IntRange(2), help="In the crowded store.")
@click.option("--seconds", default=20.0, type=click.FloatRange(1), help="At rest.")
@click.option("--rounds", default=3, type=click.IntRange(1))
@click.option("--output", default=ROOT / "bench" / "crowded.md", type=click.Path(path_type=Path))
def main(versions: int, seconds: float, rounds: int, output: Path) -> None:
    """Many versions in a store."""
    with tempfile.TemporaryDirectory(prefix="pupila-bench-") as folder:
        homes = {count: make(Path(folder) / str(count), count) for count in (1, versions)}
        found: dict[int, list[tuple[float, ...]]] = {count: [] for count in homes}
        for _ in range(rounds):
            for count, home in homes.items():
                found[count].append((*served(home, seconds), listed(home)))
    rows = []
    for count, samples in found.items():
        ready, cpu, rest, lists = (
            statistics.median(column) for column in zip(*samples, strict=True)
        )
        rows.append([f"{count:,}", f"{ready:.1f}", f"{cpu:.1f}", f"{rest:.1f}", f"{lists:.2f}"])
    names = ("versions", "ready s", "ready CPU s", "CPU % at rest", "`models list` CPU s")
    table = markdown(names, rows)
    title = heading("A store with many versions", ["python -m bench.crowded", *sys.argv[1:]])
    output.write_text(f"{title}\n{table}\n", encoding="utf-8")
    click.echo(table)


if __name__ == "__main__":
    main(prog_name="python -m bench.crowded")
