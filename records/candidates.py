"""Predictions that somebody could label next, and why each would be worth it.

SQLite's driver gives up the interpreter's lock for each row that it reads, and a server that
answers predictions takes it: so what can be left to the database is not read. With 2,000 rows for
each look, the pages that show these slowed the predictions of their worker by two thirds.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from sqlalchemy import ColumnElement, Connection, Select, Subquery, Text, func, select, type_coerce

from records.chunks import chunks
from records.database import Database
from records.labelled import has_label
from records.prediction import Label
from records.rollout_schema import label_requests, pairs
from records.schema import labels, predictions

Why = Literal["rollout", "monitor", "random", "unknown", "unsure", "doubted", "second"]
"""Champion and challenger disagree; the monitor named it; it was drawn at random; it is unlike the
images of the training; the model is not sure; it has a label that the model, which is sure,
contradicts; or another person has labelled it, and a sample of these is looked at twice."""

# Of the newest predictions, those that are looked through for what the model is unsure of.
_LOOKED_AT: Final = 2000
_SURE: Final = 0.9
# Of what one person has labelled, that another is asked too: one of so many, by its id.
_SECOND: Final = 10


@dataclass(frozen=True)
class Candidate:
    """A kept prediction with an image. ``probabilities``: as in ``KeptPrediction``; ``given``: its
    label so far, of one that is doubted."""

    id: int
    request_id: str
    at: datetime
    label: Label | None
    confidence: float | None
    probabilities: bytes | None
    why: Why
    given: Label | None = None


_COLUMNS: Final = (
    predictions.c.id,
    predictions.c.request_id,
    predictions.c.at,
    predictions.c.label,
    predictions.c.confidence,
    predictions.c.probabilities,
)


def asked(database: Database, model: str, limit: int) -> list[Candidate]:
    """Those whose label was asked for and has not come, the newest first."""
    with database.reading() as connection:
        drawn = _open(model)
        statement = (
            select(*_COLUMNS, drawn.c.drawn)
            .join(drawn, drawn.c.prediction_id == predictions.c.id)
            .order_by(predictions.c.id.desc())
            .limit(limit)
        )
        newest = _newest(connection, model, connection.execute(statement))
        return [_candidate(row, _asked_why(row.drawn)) for row in newest]


def waiting(database: Database, model: str) -> int:
    """How many of the newest requests for a label are still open."""
    with database.reading() as connection:
        statement = select(func.count()).select_from(_open(model))
        return int(connection.execute(statement).scalar_one())


def _open(model: str) -> Subquery:
    """The newest requests for a label that are open: ``prediction_id``, and how each was
    ``drawn``."""
    newest = (
        select(label_requests.c.prediction_id, label_requests.c.drawn)
        .order_by(label_requests.c.prediction_id.desc())
        .limit(_LOOKED_AT)
        .subquery()
    )
    # As a value and no join: a planner without statistics would look at all predictions first.
    of_model = (
        select(predictions.c.model)
        .where(predictions.c.id == newest.c.prediction_id, predictions.c.image_bytes > 0)
        .correlate(newest)
        .scalar_subquery()
    )
    return (
        select(newest.c.prediction_id, newest.c.drawn)
        .where(of_model == model, ~has_label(newest.c.prediction_id))
        .subquery()
    )


def disagreements(database: Database, model: str, rollout_id: int, limit: int) -> list[Candidate]:
    """Images on which champion and challenger disagree, and that have no label, the oldest first:
    as the rollout itself asks for them."""
    statement = (
        select(*_COLUMNS)
        .select_from(pairs.join(predictions))
        .where(pairs.c.rollout_id == rollout_id, pairs.c.differ)
        .where(predictions.c.image_bytes > 0, ~has_label(predictions.c.id))
        .order_by(pairs.c.prediction_id)
        .limit(limit)
    )
    return _found(database, model, statement, "rollout")


def unknown(database: Database, model: str, limit: int) -> list[Candidate]:
    """Of the newest predictions, those without a label that are unlike the images of the training,
    the newest first."""
    column = predictions.c
    newest = (
        select(column.id, column.known)
        .where(column.model == model, column.status == 200, column.image_bytes > 0)
        .order_by(column.at.desc())
        .limit(_LOOKED_AT)
        .subquery()
    )
    strange = select(newest.c.id).where(newest.c.known.is_(False))
    statement = (
        select(*_COLUMNS)
        .where(column.id.in_(strange), ~has_label(column.id))
        .order_by(column.id.desc())
        .limit(limit)
    )
    return _found(database, model, statement, "unknown")


def unsure(database: Database, model: str, limit: int) -> list[Candidate]:
    """Of the newest predictions, those without a label of which the model is least sure."""
    column = predictions.c
    newest = (
        select(column.id, column.confidence)
        .where(column.model == model, column.status == 200, column.image_bytes > 0)
        .order_by(column.at.desc())
        .limit(_LOOKED_AT)
        .subquery()
    )
    least = (
        select(newest.c.id)
        .where(newest.c.confidence.is_not(None), ~has_label(newest.c.id))
        .order_by(newest.c.confidence, newest.c.id)
        .limit(limit)
        .subquery()
    )
    statement = (
        select(*_COLUMNS)
        .join(least, least.c.id == column.id)
        .order_by(column.confidence, column.id)
    )
    return _found(database, model, statement, "unsure")


def doubted(database: Database, model: str, limit: int, but: str) -> list[Candidate]:
    """Of the newest labels, those that the model is sure are wrong, unless the source ``but`` gave
    one too: another person should look."""
    column = labels.c
    newest = (
        select(column.id, column.prediction_id, column.label.label("given"))
        .where(column.model == model)
        .order_by(column.at.desc(), column.id.desc())
        .limit(_LOOKED_AT)
        .subquery()
    )
    own = labels.alias()
    by_them = select(own.c.id).where(own.c.prediction_id == predictions.c.id, own.c.source == but)
    said = type_coerce(predictions.c.label, Text)
    statement = (
        select(*_COLUMNS, newest.c.given)
        .join(newest, newest.c.prediction_id == predictions.c.id)
        .where(predictions.c.image_bytes > 0, predictions.c.confidence >= _SURE)
        .where(said != type_coerce(newest.c.given, Text), ~by_them.exists())
        .order_by(newest.c.id.desc())
        .limit(2 * limit)
    )
    found: dict[int, Any] = {}
    with database.reading() as connection:
        for row in connection.execute(statement):
            found.setdefault(row.id, row)
        rows = sorted(found.values(), key=lambda row: -row.confidence)[:limit]
        newest_rows = _newest(connection, model, rows)
        return [_candidate(row, "doubted", row.given) for row in newest_rows]


def second(database: Database, model: str, limit: int, but: str) -> list[Candidate]:
    """Of the newest labels, a sample of those that one source alone has given, and not ``but``:
    how often two people agree is known from these, whatever the model says."""
    column = labels.c
    newest = (
        select(column.id, column.prediction_id, column.source)
        .where(column.model == model)
        .order_by(column.at.desc(), column.id.desc())
        .limit(_LOOKED_AT)
        .subquery()
    )
    others = labels.alias()
    another = select(others.c.id).where(
        others.c.prediction_id == newest.c.prediction_id, others.c.source != newest.c.source
    )
    chosen = (
        select(newest.c.prediction_id)
        .where(newest.c.source != but, newest.c.prediction_id % _SECOND == 0, ~another.exists())
        .distinct()
        .order_by(newest.c.prediction_id.desc())
        .limit(limit)
        .subquery()
    )
    statement = (
        select(*_COLUMNS)
        .join(chosen, chosen.c.prediction_id == predictions.c.id)
        .where(predictions.c.image_bytes > 0)
        .order_by(predictions.c.id.desc())
    )
    return _found(database, model, statement, "second")


def _found(
    database: Database, model: str, statement: Select[tuple[object, ...]], why: Why
) -> list[Candidate]:
    with database.reading() as connection:
        rows = connection.execute(statement).all()
        return [_candidate(row, why) for row in _newest(connection, model, rows)]


def _newest(connection: Connection, model: str, rows: Iterable[Any]) -> list[Any]:
    """Without those whose request id was used again: a label would be that of the later one."""
    listed = list(rows)
    older: set[int] = set()
    for ids in chunks([row.id for row in listed]):
        statement = select(predictions.c.id).where(
            predictions.c.id.in_(ids), _was_used_again(model)
        )
        older.update(connection.execute(statement).scalars())
    return [row for row in listed if row.id not in older]


def _was_used_again(model: str) -> ColumnElement[bool]:
    later = predictions.alias()
    return (
        select(later.c.id)
        .where(
            later.c.request_id == predictions.c.request_id,
            later.c.model == model,
            later.c.id > predictions.c.id,
        )
        .exists()
    )


def _asked_why(drawn: str) -> Why:
    known: Sequence[Why] = ("rollout", "monitor", "random")
    return next((why for why in known if why == drawn), "random")


def _candidate(row: Any, why: Why, given: Label | None = None) -> Candidate:
    return Candidate(
        row.id,
        row.request_id,
        row.at,
        row.label,
        row.confidence,
        row.probabilities,
        why,
        given,
    )
