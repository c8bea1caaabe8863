"""Predictions that somebody could label next, and why each would be worth it."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from sqlalchemy import Connection, Row, Select, Text, func, select, type_coerce

from records.chunks import chunks
from records.database import Database
from records.labelled import has_label
from records.prediction import Label
from records.rollout_schema import label_requests, pairs
from records.schema import labels, predictions

Why = Literal["rollout", "monitor", "random", "unknown", "unsure", "doubted"]
"""Champion and challenger disagree; the monitor named it; it was drawn at random; it is unlike the
images of the training; the model is not sure; or it has a label that the model, which is sure,
contradicts."""

# Of the newest predictions, those that are looked through for what the model is unsure of.
_LOOKED_AT: Final = 2000
_SURE: Final = 0.9


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
        drawn = _open(connection, model)
        chosen = sorted(drawn, reverse=True)[:limit]
        rows = [
            row
            for chunk in chunks(chosen)
            for row in connection.execute(
                select(*_COLUMNS)
                .where(predictions.c.id.in_(chunk))
                .order_by(predictions.c.id.desc())
            )
        ]
        newest = _newest(connection, model, rows)
        return [_candidate(row, _asked_why(drawn[row.id])) for row in newest]


def waiting(database: Database, model: str) -> int:
    """How many of the newest requests for a label are still open."""
    with database.reading() as connection:
        return len(_open(connection, model))


def _open(connection: Connection, model: str) -> dict[int, str]:
    """The newest requests for a label that are open: how each was drawn, by its prediction.

    In two steps: a planner without statistics would look at all predictions of the model first.
    """
    newest = (
        select(label_requests.c.prediction_id, label_requests.c.drawn)
        .order_by(label_requests.c.prediction_id.desc())
        .limit(_LOOKED_AT)
    )
    drawn: dict[int, str] = {row.prediction_id: row.drawn for row in connection.execute(newest)}
    found: set[int] = set()
    for chunk in chunks(drawn):
        statement = select(predictions.c.id).where(
            predictions.c.id.in_(chunk),
            predictions.c.model == model,
            predictions.c.image_bytes > 0,
            ~has_label(predictions.c.id),
        )
        found.update(connection.execute(statement).scalars())
    return {id_: how for id_, how in drawn.items() if id_ in found}


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
    with database.reading() as connection:
        known = [
            (row.confidence, row.id)
            for row in connection.execute(select(newest))
            if row.confidence is not None
        ]
        # More than are wanted, since some have a label.
        ids = [id_ for _, id_ in sorted(known)[: 4 * limit]]
        labelled = _labelled(connection, ids)
        chosen = [id_ for id_ in ids if id_ not in labelled][:limit]
        rows = [
            row
            for chunk in chunks(chosen)
            for row in connection.execute(select(*_COLUMNS).where(column.id.in_(chunk)))
        ]
        found = [_candidate(row, "unsure") for row in _newest(connection, model, rows)]
    return sorted(found, key=lambda one: (one.confidence or 0.0, one.id))


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
    found: dict[int, Row[tuple[object, ...]]] = {}
    with database.reading() as connection:
        for row in connection.execute(statement):
            found.setdefault(row.id, row)
        rows = sorted(found.values(), key=lambda row: -row.confidence)[:limit]
        newest_rows = _newest(connection, model, rows)
        return [_candidate(row, "doubted", row.given) for row in newest_rows]


def _found(
    database: Database, model: str, statement: Select[tuple[object, ...]], why: Why
) -> list[Candidate]:
    with database.reading() as connection:
        rows = connection.execute(statement).all()
        return [_candidate(row, why) for row in _newest(connection, model, rows)]


def _newest(
    connection: Connection, model: str, rows: Iterable[Row[tuple[object, ...]]]
) -> list[Row[tuple[object, ...]]]:
    """Without those whose request id was used again: a label would be that of the later one."""
    listed = list(rows)
    last: set[int] = set()
    for request_ids in chunks(sorted({row.request_id for row in listed})):
        statement = (
            select(func.max(predictions.c.id))
            .where(predictions.c.request_id.in_(request_ids), predictions.c.model == model)
            .group_by(predictions.c.request_id)
        )
        last.update(connection.execute(statement).scalars())
    return [row for row in listed if row.id in last]


def _labelled(connection: Connection, ids: Collection[int]) -> set[int]:
    found: set[int] = set()
    for chunk in chunks(sorted(ids)):
        statement = select(labels.c.prediction_id).where(labels.c.prediction_id.in_(chunk))
        found.update(connection.execute(statement).scalars())
    return found


def _asked_why(drawn: str) -> Why:
    known: Sequence[Why] = ("rollout", "monitor", "random")
    return next((why for why in known if why == drawn), "random")


def _candidate(row: Row[tuple[object, ...]], why: Why, given: Label | None = None) -> Candidate:
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
