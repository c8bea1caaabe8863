"""What the webhook is to be told, and what it was told already: each thing at least once, in order.

Decisions are told in the order of their ids. They are committed in that order, so none can appear
below one that was told (``records.decisions.lock``). Retrainings end in another order than they
began, so each has a row.
"""

from dataclasses import dataclass
from datetime import datetime
from heapq import merge
from typing import Any, Literal

from sqlalchemy import Connection, Select, exists, func, insert, select

from records.database import Database
from records.decisions import decision_of, lock, newest
from records.retrainings import Retraining, retraining_of
from records.rollout_schema import decisions, notices, retrainings, rollouts
from records.routing import Decision

Kind = Literal["decision", "retraining"]


@dataclass(frozen=True)
class Notice:
    """``version``: the one that was promoted, tried or trained, if there is one."""

    what: Decision | Retraining
    version: str | None

    @property
    def kind(self) -> Kind:
        return "decision" if isinstance(self.what, Decision) else "retraining"

    @property
    def at(self) -> datetime:
        what = self.what
        return what.at if isinstance(what, Decision) else what.ended_at or what.started_at


def begin(database: Database, now: datetime) -> None:
    """Take all that there is for told, unless this was done before."""
    with database.writing() as connection:
        # No decision may be committed meanwhile that has a lower number than the newest.
        lock(connection)
        if _has_begun(connection):
            return
        ended = select(retrainings.c.id).where(retrainings.c.ended_at.is_not(None))
        told: list[tuple[Kind, int]] = [("decision", 0), ("decision", newest(connection))]
        told += [("retraining", id_) for id_ in connection.execute(ended).scalars()]
        rows = [{"kind": kind, "id": id_, "at": now} for kind, id_ in dict.fromkeys(told)]
        connection.execute(insert(notices), rows)


def untold(database: Database, limit: int) -> list[Notice] | None:
    """The next to tell, oldest first; None before ``begin``."""
    with database.reading() as connection:
        if not _has_begun(connection):
            return None
        decided = [
            Notice(decision_of(row), row.after or row.challenger)
            for row in connection.execute(_decisions().limit(limit))
        ]
        ended = [
            Notice(one, one.challenger)
            for one in map(retraining_of, connection.execute(_retrainings().limit(limit)))
        ]
    # Not sorted: two machines' clocks may differ, and decisions keep the order of their ids.
    return list(merge(decided, ended, key=lambda one: one.at))[:limit]


def told(database: Database, notice: Notice, now: datetime) -> None:
    """Note that it was told. Raises DatabaseError."""
    key = {"kind": notice.kind, "id": notice.what.id}
    same = (notices.c.kind == key["kind"]) & (notices.c.id == key["id"])
    with database.writing() as connection:
        # Two may have told it, if one was away for longer than its lease.
        if connection.execute(select(notices.c.id).where(same)).first() is None:
            connection.execute(insert(notices).values(key | {"at": now}))


def _has_begun(connection: Connection) -> bool:
    return connection.execute(select(notices.c.id).limit(1)).first() is not None


def _decisions() -> Select[Any]:
    last = select(func.max(notices.c.id)).where(notices.c.kind == "decision").scalar_subquery()
    return (
        select(decisions, rollouts.c.challenger)
        .select_from(decisions.outerjoin(rollouts, decisions.c.rollout_id == rollouts.c.id))
        .where(decisions.c.id > last)
        .order_by(decisions.c.id)
    )


def _retrainings() -> Select[Any]:
    was_told = exists().where(notices.c.kind == "retraining", notices.c.id == retrainings.c.id)
    return (
        select(retrainings)
        .where(retrainings.c.ended_at.is_not(None), ~was_told)
        .order_by(retrainings.c.ended_at, retrainings.c.id)
    )
