"""Servers that differ in nothing but their settings, and what a request costs each of them."""

import contextlib
import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from bench.plan import run
from bench.runner import Runner, make_material, start
from bench.servers import SERVERS, Launch, Server

CONNECTIONS = 32
_MODEL = "logistic"


class Cost(NamedTuple):
    """Medians over rounds: microseconds of processor time a request, and their ratio to those of
    the first server, round by round."""

    microseconds: float
    ratio: float


def variant(name: str, **settings: str) -> Server:
    """Pupila with these settings, and records of its own."""
    base = SERVERS["pupila"]

    def launch(binaries: Path, port: int, model: Path) -> Launch:
        made = base.launch(binaries, port, model)
        own = {"PUPILA_HOME": str(model / name)}
        return Launch(made.command, {**made.settings, **own, **settings})

    return replace(base, name=name, title=name, launch=launch)


def costs(servers: Sequence[Server], rounds: int, seconds: float) -> list[Cost]:
    """Of each server; they take turns, and the others are frozen meanwhile."""
    with tempfile.TemporaryDirectory(prefix="pupila-bench-") as folder, contextlib.ExitStack() as s:
        home = make_material(_MODEL, Path(folder))
        runners = []
        for server in servers:
            runners.append(s.enter_context(start(server, home)))
            runners[-1].tree.freeze()
        table = []
        for number in range(rounds):
            # Another is the first each time: whoever comes after a pause has colder caches.
            order = [(number + step) % len(runners) for step in range(len(runners))]
            found = {place: _cost(runners[place], seconds) for place in order}
            table.append([found[place] for place in range(len(runners))])
    return [
        Cost(
            statistics.median(row[place] for row in table),
            statistics.median(row[place] / row[0] for row in table),
        )
        for place in range(len(servers))
    ]


def _cost(runner: Runner, seconds: float) -> float:
    runner.tree.thaw()
    result = run(runner.plan(CONNECTIONS, seconds, warm=0.5))
    runner.tree.freeze()
    return result.server_cpu_seconds / max(result.right, 1) * 1e6
