"""How many requests, errors and labels a model had, in steps of time."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from sqlalchemy import func, literal, select, union_all

from records.database import Database
from records.schema import labels, traffic

_CLASSES: Final = 10


@dataclass(frozen=True)
class Step:
    """What happened from ``start`` on, until the next step. ``statuses``: requests by HTTP status;
    ``latencies``: by the upper bound of their bucket in seconds; ``labels``: that came;
    ``predicted``: the most frequent classes, as records write labels."""

    start: datetime
    statuses: Mapping[int, int] = field(default_factory=dict)
    latencies: Mapping[float, int] = field(default_factory=dict)
    labels: int = 0
    predicted: Mapping[str, int] = field(default_factory=dict)

    @property
    def requests(self) -> int:
        return sum(self.statuses.values())

    @property
    def errors(self) -> int:
        """Those that were not answered as they should be."""
        return sum(count for status, count in self.statuses.items() if status >= 400)

    def quantile(self, share: float) -> float | None:
        """Seconds within which that share of the requests was answered: the bound of a bucket."""
        total = sum(self.latencies.values())
        seen = 0
        for bound, count in sorted(self.latencies.items()):
            seen += count
            if total and seen >= share * total:
                return bound
        return None


def step(database: Database, model: str, start: datetime, end: datetime) -> Step:
    """From ``start`` until before ``end``. Reads each minute's counts twice; raises
    DatabaseError."""
    column = traffic.c
    number = func.sum(column.count).label("number")
    within = (column.minute >= start, column.minute < end, column.model == model)
    counted = (
        select(column.kind, column.key, number)
        .where(*within, column.kind.in_(("status", "latency")))
        .group_by(column.kind, column.key)
    )
    most = (
        select(column.kind, column.key, number)
        .where(*within, column.kind == "label")
        .group_by(column.kind, column.key)
        .order_by(number.desc(), column.key)
        .limit(_CLASSES)
        .subquery()
    )
    came = select(literal("came"), literal(""), func.count()).where(
        labels.c.model == model, labels.c.at >= start, labels.c.at < end
    )
    # In one statement: of 30 steps, what each takes by itself is most of the time.
    statement = union_all(counted, select(most), came)
    found: dict[str, dict[str, int]] = {}
    with database.reading() as connection:
        for kind, key, count in connection.execute(statement):
            found.setdefault(kind, {})[key] = int(count)
    return Step(
        start,
        {int(key): count for key, count in found.get("status", {}).items()},
        {float(key): count for key, count in found.get("latency", {}).items()},
        found["came"][""],
        found.get("label", {}),
    )
