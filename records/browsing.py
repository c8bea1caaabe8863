"""The newest records of a model by their classes: how many there are, and which.

Each looks at a limited number of the newest, so that it takes as long in a large database as in a
small one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Final

from sqlalchemy import ColumnElement, Connection, Select, func, select, type_coerce
from sqlalchemy import Text as SqlText

from labels import label_key
from records.chunks import chunks
from records.columns import label_text
from records.database import Database
from records.labelled import has_label
from records.prediction import Label
from records.schema import images, labels, predictions

LOOKED_AT: Final = 20_000
_DUPLICATES_IN: Final = 2_000
_HASHED: Final = 200


@dataclass(frozen=True)
class Counts:
    """Of the newest predictions and labels: how many of each class. ``predictions`` and ``labels``:
    that were looked at, at most LOOKED_AT; ``abstained``: predictions that said no class."""

    predicted: Mapping[Label, int]
    given: Mapping[Label, int]
    predictions: int
    labels: int
    abstained: int = 0


@dataclass(frozen=True)
class Shown:
    """A prediction with an image; ``given``: its newest label."""

    id: int
    request_id: str
    at: datetime
    label: Label | None
    confidence: float | None
    given: Label | None = None


def class_counts(database: Database, model: str) -> Counts:
    """Raises DatabaseError."""
    predicted = (
        select(predictions.c.label, predictions.c.abstained)
        .where(predictions.c.model == model, predictions.c.status == 200)
        .order_by(predictions.c.at.desc())
        .limit(LOOKED_AT)
    )
    given = (
        select(labels.c.label)
        .where(labels.c.model == model)
        .order_by(labels.c.at.desc())
        .limit(LOOKED_AT)
    )
    with database.reading() as connection:
        newest = predicted.subquery()
        silent = newest.c.abstained.is_(True)
        first = _counted(connection, select(newest.c.label).where(~silent))
        statement = select(func.count()).select_from(newest).where(silent)
        abstained = int(connection.execute(statement).scalar_one())
        second = _counted(connection, given)
    return Counts(first, second, sum(first.values()) + abstained, sum(second.values()), abstained)


def kept(database: Database, model: str, most: int) -> int:
    """How many predictions there are, ``most`` at most."""
    some = select(predictions.c.id).where(predictions.c.model == model).limit(most).subquery()
    with database.reading() as connection:
        return int(connection.execute(select(func.count()).select_from(some)).scalar_one())


def of_class(
    database: Database, model: str, label: Label, *, by_label: bool, skip: int, limit: int
) -> list[Shown]:
    """Images that were predicted, or ``by_label`` labelled, as one class: the newest first."""
    source = labels if by_label else predictions
    newest = (
        select((labels.c.prediction_id if by_label else predictions.c.id).label("id"))
        .add_columns(source.c.label, source.c.at)
        .where(source.c.model == model, *([] if by_label else [_said()]))
        .order_by(source.c.at.desc())
        .limit(LOOKED_AT)
        .subquery()
    )
    chosen = (
        select(newest.c.id)
        .where(type_coerce(newest.c.label, SqlText) == label_text(label))
        .order_by(newest.c.at.desc())
        .offset(skip)
        .limit(limit)
    )
    with database.reading() as connection:
        ids = list(dict.fromkeys(connection.execute(chosen).scalars()))
        return shown(connection, ids)


def mistakes(database: Database, model: str, version: str, limit: int) -> list[Shown]:
    """Of the newest labels, those that a version's own predictions contradict, newest first."""
    newest = (
        select(labels.c.prediction_id, labels.c.label.label("given"), labels.c.at, labels.c.id)
        .where(labels.c.model == model)
        .order_by(labels.c.at.desc(), labels.c.id.desc())
        .limit(LOOKED_AT // 4)
        .subquery()
    )
    statement = (
        select(predictions.c.id, predictions.c.label, newest.c.given)
        .join(newest, newest.c.prediction_id == predictions.c.id)
        .where(predictions.c.version == version, predictions.c.image_bytes > 0, _said())
        .order_by(newest.c.at.desc(), newest.c.id.desc())
    )
    wrong: list[int] = []
    seen: set[int] = set()
    with database.reading() as connection:
        for row in connection.execute(statement):
            if row.id in seen:
                continue
            seen.add(row.id)
            if row.label is not None and label_key(row.label) != label_key(row.given):
                wrong.append(row.id)
                if len(wrong) == limit:
                    break
        return shown(connection, wrong)


def duplicates(database: Database, model: str, limit: int) -> list[list[Shown]]:
    """Groups of the newest predictions with the very same image, the largest first.

    Images of one size that got the same probabilities are compared by their bytes.
    """
    column = predictions.c
    newest = (
        select(column.id, column.at, column.image_bytes, column.probabilities)
        .where(column.model == model, column.image_bytes > 0)
        .order_by(column.at.desc())
        .limit(_DUPLICATES_IN)
        .cte("newest")
    )
    # Counted by the database: see records.candidates for what reading rows costs.
    number = func.count().over(partition_by=(newest.c.image_bytes, newest.c.probabilities))
    counted = select(newest.c.id, newest.c.at, number.label("number")).subquery()
    alike = (
        select(counted.c.id)
        .where(counted.c.number > 1)
        .order_by(counted.c.at.desc(), counted.c.id.desc())
        .limit(_HASHED)
    )
    with database.reading() as connection:
        suspects = connection.execute(alike).scalars().all()
        groups: dict[str, list[int]] = {}
        for chunk in chunks(suspects, 20):
            statement = select(images).where(images.c.prediction_id.in_(chunk))
            for row in connection.execute(statement):
                digest = sha256(row.content).hexdigest()
                groups.setdefault(digest, []).append(row.prediction_id)
        largest = sorted((ids for ids in groups.values() if len(ids) > 1), key=len, reverse=True)
        return [shown(connection, sorted(ids, reverse=True)) for ids in largest[:limit]]


def shown(connection: Connection, ids: list[int]) -> list[Shown]:
    """In this order, with the newest label of each; without those that have no image."""
    column = predictions.c
    found: dict[int, Shown] = {}
    for chunk in chunks(ids):
        given: dict[int, Label] = {
            row.prediction_id: row.label
            for row in connection.execute(
                select(labels.c.prediction_id, labels.c.label)
                .where(labels.c.prediction_id.in_(chunk))
                .order_by(labels.c.id)
            )
        }
        statement = select(
            column.id, column.request_id, column.at, column.label, column.confidence
        ).where(column.id.in_(chunk), column.image_bytes > 0)
        for row in connection.execute(statement).mappings():
            found[row["id"]] = Shown(**row, given=given.get(row["id"]))
    return [found[id_] for id_ in ids if id_ in found]


def _said() -> ColumnElement[bool]:
    """A condition: the client got a class, and not the silence of a version that abstains."""
    return predictions.c.abstained.is_not(True)


def _counted(connection: Connection, statement: Select[tuple[Label | None]]) -> dict[Label, int]:
    newest = statement.subquery()
    label, number = newest.c.label, func.count()
    grouped = select(label, number).group_by(label).order_by(number.desc(), label)
    return {found: int(n) for found, n in connection.execute(grouped) if found is not None}


def ids_with_image(database: Database, model: str, *, labelled: bool) -> list[int]:
    """Of all predictions that have an image, oldest first."""
    statement = (
        select(predictions.c.id)
        .where(predictions.c.model == model, predictions.c.image_bytes > 0)
        .order_by(predictions.c.id)
    )
    if labelled:
        statement = statement.where(has_label(predictions.c.id))
    with database.reading() as connection:
        return list(connection.execute(statement).scalars())
