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
    # As it is written: nothing here needs the label itself.
    written = type_coerce(column.label, Text).label("written")
    newest = (
        select(column.id, column.prediction_id, column.source, column.at, written)
        .where(column.model == model)
        .order_by(column.at.desc(), column.id.desc())
        .limit(_LOOKED_AT + 1)
        .cte("newest")
    )
    place = func.row_number().over(
        partition_by=(newest.c.prediction_id, newest.c.source),
        order_by=(newest.c.at.desc(), newest.c.id.desc()),
    )
    placed = select(newest, place.label("place")).subquery()
    current = select(placed).where(placed.c.place == 1).cte("current")
    # Counted by the database, and few rows read: records.candidates says what these cost.
    given = func.count().label("n")
    by_source = (
        select(current.c.source, given)
        .group_by(current.c.source)
        .order_by(given.desc(), current.c.source)
        .limit(_MOST)
    )
    sources = func.count().over(partition_by=current.c.prediction_id).label("sources")
    shared = select(current, sources).subquery()
    by_several = (
        select(shared.c.prediction_id, shared.c.source, shared.c.written)
        .where(shared.c.sources > 1)
        .order_by(shared.c.prediction_id.desc())
        .limit(_LOOKED_AT)
    )
    number = func.count(distinct(column.prediction_id))
    of_today = (
        select(column.source, number)
        .where(column.model == model, column.at >= midnight)
        .group_by(column.source)
        .limit(_LOOKED_AT)
    )
    with database.reading() as connection:
        looked_at = connection.execute(select(func.count()).select_from(newest)).scalar_one()
        today = {source: int(n) for source, n in connection.execute(of_today)}
        counts = {source: int(n) for source, n in connection.execute(by_source)}
        several = connection.execute(by_several).all()
    said: dict[int, dict[str, str]] = {}
    for id_, source, text in several:
        said.setdefault(id_, {})[source] = text
    both: Counter[tuple[str, str]] = Counter()
    same: Counter[tuple[str, str]] = Counter()
    for of_prediction in said.values():
        for pair in combinations(sorted(of_prediction)[:_MOST], 2):
            both[pair] += 1
            same[pair] += of_prediction[pair[0]] == of_prediction[pair[1]]
    found = [Agreement(*pair, n, same[pair]) for pair, n in both.most_common(_MOST)]
    return Labellers(counts, today, tuple(found), int(looked_at) > _LOOKED_AT)


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
