"""A server with its model, started by itself; and one that takes turns with others."""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.measurement import Stage
from bench.plan import Plan, Result, run
from bench.process import ROOT, Tree, running
from bench.servers import VENVS, Server, asked

SETTLE_SECONDS = 0.2
WARM_SECONDS = 1.0


@dataclass(frozen=True)
class Runner:
    """A server that was started, and may be frozen while it is not its turn."""

    server: Server
    port: int
    tree: Tree
    model: Path

    def turn(self, stages: list[Stage], seconds: float) -> Iterator[tuple[Stage, Result, float]]:
        """Each stage's result and the memory at its end."""
        self.tree.thaw()
        time.sleep(SETTLE_SECONDS)
        try:
            for stage in stages:
                # What a burst left behind must not be warmed away.
                plan = self.plan(stage.clients, seconds, warm=0 if stage.after else WARM_SECONDS)
                yield stage, run(plan), self.tree.memory_mib()
        finally:
            self.tree.freeze()

    def plan(
        self, connections: int, seconds: float, *, warm: float = 0.0, rate: float | None = None
    ) -> Plan:
        return Plan(
            port=self.port,
            dialect=self.server.dialect,
            images=str(self.model / "images.json"),
            connections=connections,
            seconds=seconds,
            warm=warm,
            rate=rate,
            root=self.tree.root,
            mark=self.tree.mark,
        )

    def capacity(self, connections: int = 64, seconds: float = 3.0) -> Result:
        """The median of three runs in which each connection asks again once it is answered."""
        runs = [run(self.plan(connections, seconds, warm=WARM_SECONDS)) for _ in range(3)]
        return sorted(runs, key=lambda result: result.right / result.seconds)[1]


def make_material(model: str, folder: Path, copies: int = 0, checkout: Path = ROOT) -> Path:
    """The model's folder, filled by a process of its own, with a store of its own.

    An earlier checkout cannot read what a later one trains; what it trains itself, both read.
    """
    home = folder / model
    environment = os.environ | {"BENTOML_HOME": str(home / "home"), "BENTOML_DO_NOT_TRACK": "True"}
    command = [sys.executable, "-m", "bench.material", model, str(home), f"--copies={copies}"]
    subprocess.run(command, cwd=checkout, env=environment, check=True)
    return home


@contextlib.contextmanager
def start(server: Server, model: Path) -> Iterator[Runner]:
    """Raises InstallError or StartError."""
    port, launch = server.start(server.install(), model)
    log = VENVS / "logs" / f"{server.name}-{model.name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    ready = asked(server, port, model)
    with running(launch.command, launch.settings, log, ready) as tree:
        yield Runner(server, port, tree, model)
