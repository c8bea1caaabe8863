"""A loop that is killed before each of its commits, and started again: one life after the other."""

import os
import signal
import threading
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, event

from models.store import Store
from pipeline.loop import TASKS, Loop
from records.database import Database
from records.labelled import open_requests
from records.pairs import counts
from records.retrainings import ENDED, retrainings
from records.rollouts import rollouts
from records.routing import Rollout
from settings import Settings
from tests.rollout.production import count, disagree, tell

LEASE: Final = timedelta(seconds=0.2)
_PATIENCE: Final = 60

QUICK: Final[dict[str, Any]] = {
    "guard_pairs": 1,
    "guard_requests": 1,
    "guard_minutes": 0,
    "guard_labels": 0,
    "retrain_age_days": 1e-9,
    "ask_per_week": 3,
    # A challenger that is a twin of the champion may be slower on a busy machine.
    "gate_slower": 1e6,
}


@dataclass(frozen=True)
class Life:
    """Where it ran, and in which state it left the database."""

    exit: int
    retraining: str | None
    stage: str | None
    share: float | None


def live(url: str, store: Path, commits: int | None) -> None:
    """Run the loop until its retraining has ended, or until it would commit once more than
    ``commits`` times, not counting those that change nothing. Renewals of a lease do not count
    either: how many there are is a matter of time."""
    settings = Settings(**QUICK)
    with Database(url, timeout=60.0) as database, Database(url, timeout=60.0) as production:
        if commits is not None:
            _die_after(database, commits)
        loop = Loop(database, Store(store), settings, model="clf", lease=LEASE)
        for _ in range(_PATIENCE):
            for task in TASKS:
                for happened in loop.turn(task):
                    assert not happened.fault, happened
                for rollout in rollouts(database, active=True):
                    _produce(production, rollout)
            # None while the lease of a life that was killed goes on.
            if any(one.state in ENDED for one in retrainings(database, limit=1)):
                return
            threading.Event().wait(LEASE.total_seconds() / 4)
    raise AssertionError("The retraining did not end.")


def next_life(url: str, store: Path, commits: int | None) -> Life:
    context = get_context("forkserver")
    context.set_forkserver_preload([__name__])
    process = context.Process(target=live, args=(url, store, commits))
    process.start()
    process.join()
    with Database(url) as database:
        made = next(iter(retrainings(database, limit=1)), None)
        begun = next(iter(rollouts(database, limit=1)), None)
    return Life(
        process.exitcode or 0,
        None if made is None else made.state,
        None if begun is None else begun.stage,
        None if begun is None else begun.share,
    )


def _die_after(database: Database, commits: int) -> None:
    left = commits
    changes = threading.local()

    @event.listens_for(database.engine, "begin")
    def begins(_connection: Connection) -> None:
        changes.made = False

    @event.listens_for(database.engine, "before_cursor_execute")
    def executes(_connection: Connection, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith(("INSERT", "UPDATE", "DELETE")) and "leases" not in statement:
            changes.made = True

    @event.listens_for(database.engine, "commit")
    def commits_now(_connection: Connection) -> None:
        nonlocal left
        if not changes.made:
            return
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left -= 1


def _produce(database: Database, rollout: Rollout) -> None:
    """What servers write meanwhile: requests of both sides, and disagreements that people label
    as the challenger did, where they are asked to."""
    count(
        database,
        {
            (rollout.champion, "champion", "status", "200"): 9,
            (rollout.challenger, "challenger", "trial", "answered"): 9,
        },
    )
    if not counts(database, rollout.id).differ:
        disagree(database, rollout, 12)
    asked = [one.request_id for one in open_requests(database, "clf")]
    tell(database, [id_ for id_ in asked if id_.startswith("d-")], 3)
