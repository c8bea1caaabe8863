"""Bad challengers in the canary of a server under load: what do clients see of them?

    python -m bench.challengers [--seconds 8] [--share 0.25] [--only NAME]

Without a guard, which ends a rollout on evidence: this is what the server does by itself while
nobody decides anything. Each challenger gets its share for some seconds, right after as many
seconds without any rollout. A request is harmed if the challenger's label is wrong and the
champion's would have been right. Linux only.
"""

import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray
from prometheus_client.parser import text_string_to_metric_families

from bench.asking import Answers, asking
from bench.machine import heading
from bench.process import ROOT, Tree
from bench.table import markdown
from models.store import Store
from models.version import Version
from records.database import Database
from records.rollouts import finish, move, running, start
from records.workers import alive
from settings import Settings
from tests.challengers import Challenger, Nodes, large, not_a_number, raising, slow
from tests.servers import Server, serve
from tests.waiting import until

CONNECTIONS = 32
WORKERS = 2
LARGE_BYTES = 400 * 2**20
WHO: dict[str, Any] = {"actor": "bench", "because": "to see what clients see of it"}

Floats = NDArray[np.float32]


def nothing() -> Nodes:
    return large(4)


@dataclass(frozen=True)
class Weighted(Challenger):
    """A linear classifier with weights of its own."""

    weights: Floats = field(default_factory=lambda: np.zeros((64, 10), np.float32))
    bias: Floats = field(default_factory=lambda: np.zeros(10, np.float32))
    fault: Callable[[], Nodes] = nothing

    def _weights(self) -> tuple[Floats, Floats]:
        return self.weights, self.bias


class Drafts:
    """The champion, and challengers made of it."""

    def __init__(self) -> None:
        from sklearn.datasets import load_digits
        from sklearn.linear_model import LogisticRegression

        digits = load_digits()
        order = np.random.default_rng(0).permutation(len(digits.target))
        self.truth = digits.target[order]
        self.features = digits.data[order].astype(np.float32)
        fitted = LogisticRegression(C=0.01, max_iter=2000).fit(digits.data, digits.target)
        self.weights = fitted.coef_.T.astype(np.float32)
        self.bias = fitted.intercept_.astype(np.float32)

    def champion(self) -> Weighted:
        return Weighted(weights=self.weights, bias=self.bias)

    def with_fault(self, fault: Callable[[], Nodes]) -> Weighted:
        return Weighted(weights=self.weights, bias=self.bias, fault=fault)

    def worse(self, points: float) -> Weighted:
        """Noise on the weights, as much as costs that many points."""
        noise = np.random.default_rng(1).normal(0, 1, self.weights.shape).astype(np.float32)
        wanted = self.accuracy(self.weights) - points / 100
        scales = np.linspace(0, 1, 200, dtype=np.float32)
        scale = next(s for s in scales if self.accuracy(self.weights + s * noise) <= wanted)
        return Weighted(weights=self.weights + scale * noise, bias=self.bias)

    def one_class(self) -> Weighted:
        bias = np.zeros(10, np.float32)
        bias[3] = 5
        return Weighted(bias=bias)

    def accuracy(self, weights: Floats) -> float:
        scores = self.features @ weights + self.bias
        return float((scores.argmax(1) == self.truth).mean())

    def faint(self, part: float) -> float:
        """The sum of features below which that part of the digits is."""
        return float(np.quantile(self.features.sum(1), part))


def challengers(drafts: Drafts) -> dict[str, Weighted]:
    few = drafts.faint(0.05)
    return {
        "10 points worse": drafts.worse(10),
        "one class only": drafts.one_class(),
        "raises on 5% of inputs": drafts.with_fault(partial(raising, few)),
        "NaN on 5% of inputs": drafts.with_fault(partial(not_a_number, few)),
        "raises on all": drafts.with_fault(raising),
        "NaN on all": drafts.with_fault(not_a_number),
        "10 times slower": drafts.with_fault(partial(slow, 2)),
        "500 times slower": drafts.with_fault(partial(slow, 40)),
        "corrupted file": drafts.champion(),
        "a graph of 400 MB": drafts.with_fault(partial(large, LARGE_BYTES)),
    }


class Trying:
    """A server, on which one challenger after the other is tried."""

    def __init__(self, server: Server, database: Database, champion: Version) -> None:
        self.server, self.database, self.champion = server, database, champion
        self.tree = Tree(server.process.pid, "")
        self.port = int(server.url.rpartition(":")[2])

    def ask(self, seconds: float) -> Answers:
        return asking(self.port, CONNECTIONS, seconds, self.server.home / "answers.npz").stop()

    def attempts(self, version: Version) -> dict[str, int]:
        families = text_string_to_metric_families(self.server.get("/metrics").text)
        return {
            sample.labels["outcome"]: int(sample.value)
            for family in families
            for sample in family.samples
            if sample.name == "pupila_rollout_attempts_total"
            and sample.labels["version"] == version.version
        }

    def try_out(self, challenger: Version, share: float, seconds: float) -> tuple[Answers, float]:
        """The answers, and the memory at the end."""
        begun = start(
            self.database,
            "clf",
            challenger.version,
            answering=self.champion.version,
            shadow=0.1,
            rule={},
            **WHO,
        )
        move(self.database, begun, "canary", share, **WHO)
        answers = self.ask(seconds)
        memory = self.tree.memory_mib()
        finish(self.database, running(self.database, "clf"), "abort", **WHO)
        until(lambda: self.followed, "all workers follow")
        return answers, memory

    @property
    def followed(self) -> bool:
        from records.decisions import history

        newest = history(self.database, limit=1)[0].id
        return all(worker.decision >= newest for worker in alive(self.database))


@dataclass(frozen=True)
class House:
    """A server with a champion, under which challengers are tried."""

    home: Path
    store: Store
    database: Database
    server: Server
    champion: Version
    drafts: Drafts

    def challengers(self, only: str | None) -> Iterator[tuple[str, Callable[[], Version]]]:
        """Their names, and how to save one; ``only``: whose name has this part."""
        for name, draft in challengers(self.drafts).items():
            if not only or only in name:
                yield name, partial(self._saved, name, draft)

    def _saved(self, name: str, draft: Weighted) -> Version:
        challenger = self.store.save(draft)
        if name == "corrupted file":
            (challenger.path / "model.onnx").write_bytes(b"corrupted")
        # Until both workers have found it in the store.
        time.sleep(2)
        return challenger


@contextmanager
def house() -> Iterator[House]:
    drafts = Drafts()
    with tempfile.TemporaryDirectory(prefix="pupila-bench-") as folder:
        home = Path(folder)
        store = Store(home / "models")
        champion = store.save(drafts.champion())
        database = Database.of(Settings(home=home / "pupila"), create=True)
        database.prepare()
        with closing(database), serve(home, workers=WORKERS, deadline_ms=1000) as server:
            until(lambda: server.get("/readyz").status_code == 200, "ready")
            yield House(home, store, database, server, champion, drafts)


def harmed(answers: Answers, challenger: Version, drafts: Drafts) -> int:
    mine = answers.version == challenger.tag
    truth = drafts.truth[answers.image[mine]]
    champion = (drafts.features @ drafts.weights + drafts.bias).argmax(1)
    given = answers.label[mine].astype(int)
    return int(((given != truth) & (champion[answers.image[mine]] == truth)).sum())


@click.command(context_settings={"show_default": True, "max_content_width": 100})
@click.option("--seconds", default=8.0, type=click.FloatRange(1))
@click.option("--share", default=0.25, type=click.FloatRange(0, 1))
@click.option("--only", help="Part of a challenger's name.")
@click.option(
    "--output", default=ROOT / "bench" / "challengers.md", type=click.Path(path_type=Path)
)
def main(seconds: float, share: float, only: str | None, output: Path) -> None:
    """Try bad challengers under load."""
    rows = []
    with house() as here:
        trying = Trying(here.server, here.database, here.champion)
        trying.ask(2)
        for name, save in here.challengers(only):
            challenger = save()
            calm = trying.ask(seconds)
            answers, memory = trying.try_out(challenger, share, seconds)
            rows.append(
                [
                    *row(name, calm, answers, trying.attempts(challenger), memory),
                    f"{harmed(answers, challenger, here.drafts):,}",
                ]
            )
            click.echo(rows[-1], err=True)
    head = (
        "challenger", "requests", "errors seen", "of the challenger", "failed", "late",
        "not asked any more", "p99, ms", "without, ms", "MiB", "harmed",
    )  # fmt: skip
    text = (
        heading("Bad challengers", ["python -m bench.challengers", *sys.argv[1:]])
        + f"\nA share of {share:g} for {seconds:g} s; {CONNECTIONS} clients, {WORKERS} workers. "
        "``failed`` and ``late`` were answered by the champion.\n\n" + markdown(head, rows) + "\n"
    )
    output.write_text(text, encoding="utf-8")
    click.echo(text)


def row(
    name: str, calm: Answers, answers: Answers, attempts: dict[str, int], memory: float
) -> list[str]:
    everything = np.ones(len(answers.begun), bool)
    return [
        name,
        f"{len(answers.begun):,}",
        str(answers.failed),
        f"{attempts.get('answered', 0) + attempts.get('slow', 0):,}",
        f"{attempts.get('failed', 0):,}",
        f"{attempts.get('late', 0):,}",
        f"{attempts.get('stopped', 0):,}",
        f"{answers.p99_ms(everything):.0f}",
        f"{calm.p99_ms(np.ones(len(calm.begun), bool)):.0f}",
        f"{memory:.0f}",
    ]


if __name__ == "__main__":
    main(prog_name="python -m bench.challengers")
