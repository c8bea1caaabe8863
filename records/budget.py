"""The budget of bytes for the records: the oldest without a label go when it is used up.

A database that had more when it was upgraded is left alone: the budget applies from the first time
that the records are within it, and that is kept in the database.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

from sqlalchemy import delete, insert, select

from records.database import Database
from records.oldest import Oldest
from records.retention import delete_before, free_space
from records.schema import budgets, reports, traffic
from records.usage import Meter, pages_bytes

NAME: Final = "records"

State = Literal["within", "pruned", "waiting", "full"]
"""``waiting``: more than the budget from before it applied; ``full``: what is left has labels."""

# Proportions of the budget: where deleting begins, so that what comes until the next look has room,
# and where it ends.
_BEGIN: Final = 0.95
_END: Final = 0.90
# The monitor looks no further back.
_COUNTS_DAYS: Final = timedelta(days=30)
# How much is deleted before looking again, at least and at most.
_MIN_BYTES: Final = 16 * 1024
_MAX_BYTES: Final = 16 * 1024 * 1024
# How far back the bookkeeping of what stays for its label is trusted.
_AFRESH: Final = timedelta(hours=1)


@dataclass(frozen=True)
class Standing:
    """How things stood when they were last looked at; ``since``: when the budget began to apply."""

    bytes: int
    since: datetime | None


@dataclass(frozen=True)
class Kept:
    """What one look found and did: ``bytes`` in use now; predictions that were deleted, and the
    bytes of their images."""

    state: State
    bytes: int
    rows: int = 0
    image_bytes: int = 0


class Budget:
    """Keeps the records within ``limit`` bytes, 0 for no limit; one process at a time does so."""

    def __init__(self, database: Database, limit: int) -> None:
        self._database, self._limit = database, limit
        self._meter = Meter(database)
        self._total = Counter[str]()
        self._oldest = self._from_the_start()
        self._noted: Standing | None = None

    def keep(self, stopped: Callable[[], bool] = lambda: False) -> Kept:
        """Look, and delete what is too much, until ``stopped``. Raises DatabaseError."""
        used = self._meter.read()
        since = self._since(used)
        if not self._limit or used <= _BEGIN * self._limit:
            return Kept("within", used)
        if since is None:
            return Kept("waiting", used)
        before = self._total.copy()
        self._delete(stopped)
        self._give_back(stopped)
        used = self._meter.read()
        self._note(Standing(used, since))
        rows = self._total["rows"] - before["rows"]
        size = self._total["bytes"] - before["bytes"]
        state: State = "full" if used > self._limit and not stopped() else "pruned"
        return Kept(state, used, rows, size)

    def _delete(self, stopped: Callable[[], bool]) -> None:
        old = datetime.now(UTC) - _COUNTS_DAYS
        if delete_before(self._database, traffic, traffic.c.minute, old) + delete_before(
            self._database, reports, reports.c.at, old
        ):
            self._meter.recount()
        if datetime.now(UTC) - self._begun > _AFRESH:
            self._oldest = self._from_the_start()
        while (excess := self._meter.read() - int(_END * self._limit)) > 0 and not stopped():
            # Half of the excess at a time: how much a row frees is only known afterwards.
            step = min(max(excess // 2, _MIN_BYTES), _MAX_BYTES)
            rows, size = self._total["rows"], self._total["bytes"]
            if not self._oldest.delete(min_bytes=step):
                break
            self._meter.deleted(self._total["rows"] - rows, self._total["bytes"] - size)

    def _give_back(self, stopped: Callable[[], bool]) -> None:
        """To later rows; to the disk only what a larger budget had taken, as it takes as long."""
        if self._database.dialect == "sqlite":
            with self._database.reading() as connection:
                if pages_bytes(connection, free=True) <= self._limit:
                    return
        free_space(self._database, stopped=stopped)

    def _from_the_start(self) -> Oldest:
        self._begun = datetime.now(UTC)
        return Oldest(self._database, self._total, labelled=False, progress=lambda _rows: None)

    def _since(self, used: int) -> datetime | None:
        """Since when the budget applies; from now on, if it does so for the first time."""
        known = self._noted or standing(self._database)
        since = known.since if known is not None else None
        if not self._limit:
            since = None
        elif since is None and used <= self._limit:
            since = datetime.now(UTC)
        found = Standing(used, since)
        if (
            known is None
            or known.since != since
            or abs(used - known.bytes) > max(known.bytes, self._limit) // 100
        ):
            self._note(found)
        else:
            self._noted = known
        return since

    def _note(self, found: Standing) -> None:
        values = {"name": NAME, "at": datetime.now(UTC), "bytes": found.bytes, "since": found.since}
        with self._database.writing(durable=False) as connection:
            connection.execute(delete(budgets).where(budgets.c.name == NAME))
            connection.execute(insert(budgets).values(values))
        self._noted = found


def standing(database: Database) -> Standing | None:
    """What whoever keeps the budget has found last; None if nobody has looked yet."""
    statement = select(budgets.c.bytes, budgets.c.since).where(budgets.c.name == NAME)
    with database.reading() as connection:
        row = connection.execute(statement).one_or_none()
        return None if row is None else Standing(row.bytes, row.since)
