"""Who labels, how much, and how often two of them agree; and the taking back of a label."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import combinations
from typing import Final

from sqlalchemy import Text, delete, distinct, func, select, type_coerce

from records.audit import Act, add_acts
from records.columns import label_text
from records.database import Database
from records.prediction import Label
from records.schema import labels

_LOOKED_AT: Final = 5000
_MOST: Final = 20


@dataclass(frozen=True)
class Agreement:
    """Of the images that two sources have labelled, on how many they agree."""

    first: str
    second: str
    both: int
    same: int


@dataclass(frozen=True)
class Labellers:
    """Of the newest labels of a model: how many each source gave, ``today`` and in all, and where
    two of them labelled the same images. ``capped``: whether there are more than were looked at."""

    counts: Mapping[str, int]
    today: Mapping[str, int]
    agreements: tuple[Agreement, ...]
    capped: bool


def labellers(database: Database, model: str, now: datetime | None = None) -> Labellers:
    """Raises DatabaseError."""
    midnight = (now or datetime.now(UTC)).replace(hour=0, minute=0, second=0, microsecond=0)
    column = labels.c
    # As it is written: nothing here needs the label itself, and reading 5,000 of them takes longer.
    written = type_coerce(column.label, Text).label("written")
    statement = (
        select(column.prediction_id, column.source, written)
        .where(column.model == model)
        .order_by(column.at.desc(), column.id.desc())
        .limit(_LOOKED_AT + 1)
    )
    number = func.count(distinct(column.prediction_id))
    of_today = (
        select(column.source, number)
        .where(column.model == model, column.at >= midnight)
        .group_by(column.source)
        .limit(_LOOKED_AT)
    )
    with database.reading() as connection:
        rows = connection.execute(statement).all()
        today = {source: int(n) for source, n in connection.execute(of_today)}
    current: dict[int, dict[str, str]] = {}
    counts: Counter[str] = Counter()
    for id_, source, text in rows[:_LOOKED_AT]:
        of_prediction = current.setdefault(id_, {})
        if source in of_prediction:
            continue
        of_prediction[source] = text
        counts[source] += 1
    both: Counter[tuple[str, str]] = Counter()
    same: Counter[tuple[str, str]] = Counter()
    for by_source in current.values():
        if len(by_source) < 2:
            continue
        for pair in combinations(sorted(by_source)[:_MOST], 2):
            both[pair] += 1
            same[pair] += by_source[pair[0]] == by_source[pair[1]]
    found = [Agreement(*pair, number, same[pair]) for pair, number in both.most_common(_MOST)]
    return Labellers(dict(counts.most_common(_MOST)), today, tuple(found), len(rows) > _LOOKED_AT)


def withdraw(database: Database, prediction_id: int, source: str, actor: str) -> Label | None:
    """Take the newest label of a source back, as if it had not come; returns it, None if there is
    none. An older label of the same source counts again. The audit keeps what was taken back."""
    column = labels.c
    with database.writing() as connection:
        row = connection.execute(
            select(column.id, column.label, column.model)
            .where(column.prediction_id == prediction_id, column.source == source)
            .order_by(column.id.desc())
            .limit(1)
        ).one_or_none()
        if row is None:
            return None
        connection.execute(delete(labels).where(column.id == row.id))
        subject = f"prediction {prediction_id} of {row.model}"
        add_acts(connection, [Act(actor, "withdraw label", subject, label_text(row.label))])
        taken: Label = row.label
        return taken
