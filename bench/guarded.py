"""Bad challengers, each rolled out and stopped without a person: how soon, and who was harmed?

    python -m bench.guarded [--rate 200] [--only NAME]

A server under load, ``python -m pipeline watch --task guard`` as it ships, and people who label
within seconds what they are asked to. Each challenger is rolled out by hand although the gate has
not passed it, once from the shadow, as every rollout begins, and once at once with a quarter of the
requests, as nobody would. A request is harmed if the challenger's label is wrong and the champion's
would have been right. The gate's own verdict is shown beside. Linux only.
"""

import contextlib
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from bench.asking import Answers, asking, place_of
from bench.challengers import WHO, WORKERS, Drafts, harmed, house
from bench.machine import heading
from bench.process import ROOT
from bench.table import markdown
from errors import DatabaseError, PupilaError
from models.version import Version
from records.database import Database
from records.decisions import history
from records.labelled import OpenRequest, open_requests
from records.rollouts import finish, move, rollouts, start
from records.routing import Rollout
from rollout.gate import gate, rule_of
from rollout.rule import SHADOW, GuardRule
from settings import Settings
from tests.servers import Server, environment

CONNECTIONS = 32
LABELLED_SECONDS = 3.0


class Labeller(threading.Thread):
    """People who label what they are asked to, rightly."""

    def __init__(self, server: Server, database: Database, drafts: Drafts) -> None:
        super().__init__(daemon=True)
        self.server, self.database, self.truth = server, database, drafts.truth
        self.over = threading.Event()

    def run(self) -> None:
        while not self.over.wait(LABELLED_SECONDS):
            # Without the database nobody is asked.
            with contextlib.suppress(DatabaseError):
                self._answer(open_requests(self.database, "clf"))

    def _answer(self, asked: Sequence[OpenRequest]) -> None:
        labels = [
            {"request_id": one.request_id, "label": self._truth(one.request_id)} for one in asked
        ]
        if labels:
            self.server.post("/feedback/", labels)

    def _truth(self, request_id: str) -> int:
        name, _, number = request_id.partition("-")
        return int(self.truth[place_of(int(name), int(number), len(self.truth))])


@contextlib.contextmanager
def guarding(home: Path) -> Iterator[None]:
    with subprocess.Popen(
        [sys.executable, "-m", "pipeline", "watch", "--task", "guard"],
        cwd=ROOT,
        env=environment(home),
        stdout=subprocess.DEVNULL,
    ) as process:
        try:
            yield
        finally:
            process.terminate()


def tried(
    server: Server,
    database: Database,
    versions: tuple[Version, Version],
    share: float,
    rate: float,
    patience: float,
) -> tuple[Answers, Rollout, float, str]:
    """What clients got until it was stopped, after how many seconds, and why."""
    champion, challenger = versions
    port = int(server.url.rpartition(":")[2])
    clients = asking(port, CONNECTIONS, patience + 60, server.home / "answers.npz", rate)
    time.sleep(3)
    rule = GuardRule.of(Settings(), gated=False).as_dict()
    begun = start(
        database,
        "clf",
        challenger.version,
        answering=champion.version,
        shadow=SHADOW,
        rule=rule,
        **WHO,
    )
    at = time.monotonic()
    if share:
        move(database, begun, "canary", share, **WHO)

    def seen() -> Rollout:
        return rollouts(database, "clf", limit=1)[0]

    while seen().active and time.monotonic() < at + patience:
        time.sleep(0.1)
    took = time.monotonic() - at
    last = seen()
    if last.active:
        finish(database, last, "abort", **WHO)
    time.sleep(2)
    because = history(database, rollout_id=begun.id, limit=1)[0].because
    return clients.end(), last, took, because


def of_gate(versions: tuple[Version, Version]) -> str:
    try:
        return gate(*versions, rule_of(Settings())).outcome
    except PupilaError:
        return "not readable"


@click.command(context_settings={"show_default": True, "max_content_width": 100})
@click.option("--rate", default=200.0, type=click.FloatRange(1), help="Requests per second.")
@click.option("--patience", default=300.0, type=click.FloatRange(1), help="Seconds, at most.")
@click.option("--only", help="Part of a challenger's name.")
@click.option("--output", default=ROOT / "bench" / "guarded.md", type=click.Path(path_type=Path))
def main(rate: float, patience: float, only: str | None, output: Path) -> None:
    """Roll out bad challengers under load, with a guard."""
    rows = []
    with house() as here, guarding(here.home):
        labeller = Labeller(here.server, here.database, here.drafts)
        labeller.start()
        for name, save in here.challengers(only):
            for share in (0.0, 0.25):
                challenger = save()
                versions = here.champion, challenger
                answers, last, took, because = tried(
                    here.server, here.database, versions, share, rate, patience
                )
                rows.append(
                    [
                        name,
                        of_gate(versions),
                        f"{share:.0%}" if share else "shadow",
                        last.stage if not last.active else "not stopped",
                        f"{took:.0f}",
                        f"{len(answers.begun):,}",
                        f"{int((answers.version == challenger.tag).sum()):,}",
                        f"{harmed(answers, challenger, here.drafts):,}",
                        str(answers.failed),
                        because,
                    ]
                )
                click.echo(rows[-1], err=True)
        labeller.over.set()
        labeller.join()
    head = (
        "challenger", "gate", "from", "ended", "s", "requests", "of the challenger", "harmed",
        "errors seen", "why",
    )  # fmt: skip
    text = (
        heading("Bad challengers under guard", ["python -m bench.guarded", *sys.argv[1:]])
        + f"\n{rate:g} requests/s by {CONNECTIONS} clients, {WORKERS} workers; labels that were "
        f"asked for come within {LABELLED_SECONDS:g} s; a guard as it ships.\n\n"
        + markdown(head, rows)
        + "\n"
    )
    output.write_text(text, encoding="utf-8")
    click.echo(text)


if __name__ == "__main__":
    main(prog_name="python -m bench.guarded")
