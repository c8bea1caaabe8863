"""Promotions and rollbacks in a row on a server under load: what do clients see of them?

    python -m bench.swaps [--swaps 200] [--databases sqlite,postgresql]

32 clients ask two workers all the time. Champions are promoted and rolled back in turns; after each
change comes a while of the same length without any, so that the two are measured side by side. An
answer is misrouted if its version was not champion at any time since 2 s before it was asked for.
Linux only.
"""

import contextlib
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from bench.asking import Answers, asking
from bench.machine import heading
from bench.process import ROOT, Tree
from bench.table import markdown
from models.store import Store
from models.version import Version
from records.champions import promote, rollback
from records.database import Database
from settings import Settings
from tests.databases import postgres_server
from tests.drafts import LinearDraft
from tests.servers import Server, serve
from tests.waiting import until

CONNECTIONS = 32
WORKERS = 2
FOLLOW_SECONDS = 2.0
HALF_SECONDS = 0.75
WHO: dict[str, Any] = {"actor": "bench", "because": "to see what clients see of it"}


@dataclass(frozen=True)
class Swap:
    """When a champion was committed, in the seconds of ``time.monotonic``."""

    at: float
    tag: str


@dataclass(frozen=True)
class Found:
    """What one run found; ``memory``: MiB, before and after."""

    answers: Answers
    swaps: list[Swap]
    memory: tuple[float, float]

    def misrouted(self) -> int:
        """Answers of versions that were not champion at any time that counts."""
        wrong = 0
        for tag in np.unique(self.answers.version):
            mine = (self.answers.version == tag) & (self.answers.status == 200)
            allowed = np.zeros(mine.sum(), bool)
            begun, ended = self.answers.begun[mine], self.answers.ended[mine]
            for swap, until_ in self._reigns():
                if swap.tag == tag:
                    allowed |= (begun - FOLLOW_SECONDS < until_) & (ended > swap.at)
            wrong += int((~allowed).sum())
        return wrong

    def slowest(self) -> NDArray[np.float64]:
        """Seconds from each commit to the last answer of the version before it."""
        found = []
        for (before, at), _ in zip(self._reigns(), self.swaps[1:], strict=False):
            window = (self.answers.begun > at) & (self.answers.begun < at + 2 * HALF_SECONDS)
            late = self.answers.begun[window & (self.answers.version == before.tag)]
            found.append(float(late.max() - at) if len(late) else 0.0)
        return np.array(found)

    def during(self) -> NDArray[np.bool_]:
        """Which requests were asked for in the while after a change."""
        return self._since_swap() < HALF_SECONDS

    def between(self) -> NDArray[np.bool_]:
        since = self._since_swap()
        return (since >= HALF_SECONDS) & (since < 2 * HALF_SECONDS)

    def _since_swap(self) -> NDArray[np.float64]:
        times = np.array([swap.at for swap in self.swaps[1:]])
        place = np.searchsorted(times, self.answers.begun, side="right") - 1
        since = self.answers.begun - times[np.maximum(place, 0)]
        return np.where(place < 0, np.inf, since)

    def _reigns(self) -> Iterator[tuple[Swap, float]]:
        """Each champion, and when the next one was committed."""
        for number, swap in enumerate(self.swaps):
            ends = self.swaps[number + 1].at if number + 1 < len(self.swaps) else np.inf
            yield swap, ends


def swap_all(database: Database, versions: tuple[Version, Version], swaps: int) -> Iterator[Swap]:
    """Promote one version and roll it back, in turns, with a pause after each."""
    first, second = versions
    for number in range(swaps):
        if number % 2 == 0:
            promote(database, "clf", second.version, answering=first.version, **WHO)
            yield Swap(time.monotonic(), second.tag)
        else:
            rollback(database, "clf", **WHO)
            yield Swap(time.monotonic(), first.tag)
        time.sleep(2 * HALF_SECONDS)


def measure(home: Path, swaps: int, url: str | None) -> Found:
    store = Store(home / "models")
    second = store.save(LinearDraft(seed=2))
    first = store.save(LinearDraft(seed=1))
    settings = Settings(home=home / "pupila", database_url=url)
    database = Database.of(settings, create=True)
    database.prepare()
    chosen: dict[str, Any] = {"workers": WORKERS, "deadline_ms": 1000}
    if url is not None:
        chosen["database_url"] = url
    with contextlib.closing(database), serve(home, **chosen) as server:
        until(lambda: server.get("/readyz").status_code == 200, "ready")
        warm_up(server, home)
        tree = Tree(server.process.pid, "")
        before = tree.memory_mib()
        started = Swap(time.monotonic(), first.tag)
        seconds = swaps * (2 * HALF_SECONDS + 0.02) + 4
        clients = asking(_port(server), CONNECTIONS, seconds, home / "answers.npz")
        time.sleep(2)
        done = [started, *swap_all(database, (first, second), swaps)]
        answers = clients.stop()
        return Found(answers, done, (before, tree.memory_mib()))


def warm_up(server: Server, home: Path) -> None:
    asking(_port(server), CONNECTIONS, 3, home / "warm.npz").stop()


def _port(server: Server) -> int:
    return int(server.url.rpartition(":")[2])


def row(name: str, found: Found) -> list[str]:
    during, between = found.during(), found.between()
    p99 = found.answers.p99_ms(during), found.answers.p99_ms(between)
    slowest = found.slowest()
    return [
        name,
        f"{len(found.answers.begun):,}",
        str(found.answers.failed),
        str(found.misrouted()),
        f"{p99[1]:.1f}",
        f"{p99[0]:.1f}",
        f"{p99[0] / p99[1]:.2f}",
        f"{np.median(slowest):.2f}",
        f"{slowest.max():.2f}",
        f"{found.memory[0]:.0f} → {found.memory[1]:.0f}",
    ]


@click.command(context_settings={"show_default": True, "max_content_width": 100})
@click.option("--swaps", default=200, type=click.IntRange(2))
@click.option("--databases", default="sqlite,postgresql")
@click.option("--output", default=ROOT / "bench" / "swaps.md", type=click.Path(path_type=Path))
def main(swaps: int, databases: str, output: Path) -> None:
    """Promote and roll back under load."""
    rows = []
    with tempfile.TemporaryDirectory(prefix="pupila-bench-") as folder:
        for name in databases.split(","):
            home = Path(folder) / name
            home.mkdir()
            with contextlib.ExitStack() as stack:
                url = None
                if name == "postgresql":
                    url = stack.enter_context(postgres_server()).database()
                rows.append(row(name, measure(home, swaps, url)))
            click.echo(rows[-1], err=True)
    head = (
        "database", "requests", "failed", "misrouted", "p99 between, ms", "p99 during, ms",
        "ratio", "followed after, median s", "at most", "memory, MiB",
    )  # fmt: skip
    text = (
        heading("Promotions and rollbacks under load", ["python -m bench.swaps", *sys.argv[1:]])
        + f"\n{swaps} changes of the champion; {CONNECTIONS} clients, {WORKERS} workers.\n\n"
        + markdown(head, rows)
        + "\n"
    )
    output.write_text(text, encoding="utf-8")
    click.echo(text)


if __name__ == "__main__":
    main(prog_name="python -m bench.swaps")
