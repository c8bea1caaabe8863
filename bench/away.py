"""A database that is away during a rollout: what do clients see of it, and who is champion then?

    python -m bench.away [--seconds 60] [--rate 200]

PostgreSQL, of this machine. A challenger that is ten points better is rolled out under ``python -m
pipeline watch --task guard``, by a rule that would promote it within half a minute; the database is
killed while the challenger has a quarter of the requests, and comes back. Linux only.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from bench.asking import Answers, asking
from bench.challengers import Drafts
from bench.guarded import Labeller
from bench.machine import heading
from bench.process import ROOT
from bench.table import markdown
from models.store import Store
from records.database import Database
from records.decisions import history
from records.rollouts import move, rollouts, start
from records.workers import alive
from rollout.rule import GuardRule
from settings import Settings
from tests.databases import Postgres, postgres_server
from tests.servers import environment, serve
from tests.waiting import until

CONNECTIONS = 32
WORKERS = 2
BEFORE_SECONDS = 10.0
AFTER_SECONDS = 90.0
TRIED_SECONDS = 3.0
RULE = {"minutes": 0.0, "requests": 200, "pairs": 100, "labels": 0, "gated": True}


@contextmanager
def guarding(home: Path, url: str) -> Iterator[Path]:
    """The file that it writes its events to."""
    log = home / "guard.jsonl"
    command = [sys.executable, "-m", "pipeline", "watch", "--task", "guard", "--seconds", "1"]
    with (
        log.open("w") as output,
        subprocess.Popen(
            [*command, "--json"],
            cwd=ROOT,
            env=environment(home, database_url=url),
            stdout=output,
        ) as process,
    ):
        try:
            yield log
        finally:
            process.terminate()


def measure(home: Path, postgres: Postgres, seconds: float, rate: float) -> list[list[str]]:
    url = postgres.database()
    store = Store(home / "models")
    drafts = Drafts()
    challenger = store.save(drafts.champion())
    champion = store.save(drafts.worse(10))
    database = Database.of(Settings(home=home / "pupila", database_url=url), create=True)
    database.prepare()
    chosen: dict[str, Any] = {"workers": WORKERS, "deadline_ms": 1000, "database_url": url}
    with closing(database), serve(home, **chosen) as server, guarding(home, url) as log:
        until(lambda: server.get("/readyz").status_code == 200, "ready")
        port = int(server.url.rpartition(":")[2])
        whole = BEFORE_SECONDS + TRIED_SECONDS + seconds + AFTER_SECONDS
        clients = asking(port, CONNECTIONS, whole, home / "answers.npz", rate)
        Labeller(server, database, drafts).start()
        time.sleep(BEFORE_SECONDS)
        begun = start(
            database,
            "clf",
            challenger.version,
            actor="bench",
            because="to see what becomes of it",
            answering=champion.version,
            shadow=1.0,
            rule=GuardRule.of(Settings(), **RULE).as_dict(),
        )
        move(database, begun, "canary", 0.25, actor="bench", because="at once")
        time.sleep(TRIED_SECONDS)
        before = history(database, limit=1)[0].id
        postgres.stop("immediate")
        away = time.monotonic()
        time.sleep(seconds)
        postgres.start()
        back = time.monotonic()
        missed = [one for one in history(database) if one.id > before]
        until(lambda: len(alive(database)) == WORKERS, "both workers are seen again")
        seen = time.monotonic()
        answers = clients.stop()
        [last] = rollouts(database, limit=1)
        events = log.read_text().splitlines()
        return [
            ["requests", f"{len(answers.begun):,}"],
            ["not right", f"{answers.failed:,}"],
            *(
                [f"p99 ms, {name}", f"{answers.p99_ms(_within(answers, low, high)):.1f}"]
                for name, low, high in (
                    ("before", 0.0, away),
                    ("away", away, back),
                    ("back", back, np.inf),
                )
            ),
            ["of the challenger while away", _share(answers, challenger.tag, away, back)],
            ["decisions while away", f"{len(missed):,}"],
            ["the guard's events in all", f"{len(events):,}"],
            ["s until all workers were seen again", f"{seen - back:.1f}"],
            ["the rollout afterwards", f"{last.stage}, {last.share:.0%}"],
            ["decisions afterwards", ", ".join(_told(database, before))],
        ]


def _told(database: Database, before: int) -> list[str]:
    found = [one for one in history(database) if one.id > before]
    return [f"{one.action} by {one.actor}" for one in reversed(found)] or ["none"]


def _within(answers: Answers, low: float, high: float) -> NDArray[np.bool_]:
    return (answers.begun >= low) & (answers.begun < high)


def _share(answers: Answers, tag: str, low: float, high: float) -> str:
    within = _within(answers, low, high)
    return f"{(answers.version[within] == tag).mean():.1%} of {int(within.sum()):,}"


@click.command(context_settings={"show_default": True, "max_content_width": 100})
@click.option("--seconds", default=60.0, type=click.FloatRange(1), help="That it is away.")
@click.option("--rate", default=200.0, type=click.FloatRange(1), help="Requests per second.")
@click.option("--output", default=ROOT / "bench" / "away.md", type=click.Path(path_type=Path))
def main(seconds: float, rate: float, output: Path) -> None:
    """Take the database away during a rollout."""
    with (
        tempfile.TemporaryDirectory(prefix="pupila-bench-") as folder,
        postgres_server(Path(tempfile.gettempdir())) as postgres,
    ):
        rows = measure(Path(folder), postgres, seconds, rate)
    title = heading("A rollout without a database", ["python -m bench.away", *sys.argv[1:]])
    text = f"{title}\n{rate:g} requests/s by {CONNECTIONS} clients, {WORKERS} workers.\n\n"
    text += markdown(("", ""), rows) + "\n"
    output.write_text(text, encoding="utf-8")
    click.echo(text)


if __name__ == "__main__":
    main(prog_name="python -m bench.away")
