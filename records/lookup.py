"""One kept prediction, by its own number."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from records.database import Database
from records.prediction import Label
from records.rollout_schema import pairs
from records.schema import images, predictions


@dataclass(frozen=True)
class Found:
    """``rollout_id``: of the rollout in which two versions disagreed about it."""

    id: int
    request_id: str
    model: str
    version: str
    at: datetime
    status: int
    label: Label | None
    confidence: float | None
    rollout_id: int | None


def find(database: Database, prediction_id: int) -> Found | None:
    """Raises DatabaseError."""
    column = predictions.c
    statement = select(
        column.id,
        column.request_id,
        column.model,
        column.version,
        column.at,
        column.status,
        column.label,
        column.confidence,
    ).where(column.id == prediction_id)
    differing = select(pairs.c.rollout_id).where(
        pairs.c.prediction_id == prediction_id, pairs.c.differ
    )
    with database.reading() as connection:
        row = connection.execute(statement).mappings().one_or_none()
        if row is None:
            return None
        rollout_id = connection.execute(differing).scalar_one_or_none()
        return Found(**row, rollout_id=rollout_id)


def image_of(database: Database, prediction_id: int) -> tuple[str, bytes] | None:
    """The model of a prediction, and the bytes of its image. Raises DatabaseError."""
    statement = (
        select(predictions.c.model, images.c.content)
        .join_from(predictions, images)
        .where(predictions.c.id == prediction_id)
    )
    with database.reading() as connection:
        row = connection.execute(statement).one_or_none()
        return None if row is None else (row.model, row.content)
