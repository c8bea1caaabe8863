"""Which predictions have labels, are to get some, or could be asked for."""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import ColumnElement, distinct, func, or_, select

from records.database import Database
from records.requests import Drawn
from records.rollout_schema import label_requests
from records.schema import images, labels, predictions


class OpenRequest(NamedTuple):
    """A prediction whose label was asked for, and has not come."""

    request_id: str
    drawn: Drawn
    at: datetime


def has_label(prediction_id: ColumnElement[int]) -> ColumnElement[bool]:
    """A condition: the prediction has a label, even if another source disputes it."""
    label = select(labels.c.id).where(labels.c.prediction_id == prediction_id)
    return label.correlate_except(labels).exists()


def newest_labelled(database: Database, model: str, limit: int) -> list[int]:
    """The ids of the newest predictions with a label, those in dispute included, in order of id.

    Of all versions and origins: images that were imported or volunteered can be trained on too.
    """
    column = predictions.c
    statement = (
        select(column.id)
        .where(column.model == model, column.status == 200, has_label(column.id))
        .order_by(column.at.desc(), column.id.desc())
        .limit(limit)
    )
    with database.reading() as connection:
        return sorted(connection.execute(statement).scalars())


def labelled_since(database: Database, model: str, since: datetime) -> int:
    """How many predictions got a label since."""
    statement = select(func.count(distinct(labels.c.prediction_id))).where(
        labels.c.model == model, labels.c.at > since
    )
    with database.reading() as connection:
        return int(connection.execute(statement).scalar_one())


def asked_since(database: Database, model: str, drawn: Drawn, since: datetime) -> int:
    """How many labels were asked for since, of images drawn in this way."""
    statement = (
        select(func.count())
        .select_from(label_requests.join(predictions))
        .where(
            predictions.c.model == model,
            label_requests.c.drawn == drawn,
            label_requests.c.at > since,
        )
    )
    with database.reading() as connection:
        return int(connection.execute(statement).scalar_one())


def not_asked(
    database: Database, model: str, version: str, start: datetime, end: datetime
) -> list[int]:
    """The ids of a version's predictions, from ``start`` until before ``end``, that have an image
    and whose label nobody asked for: with a label, too, since a random sample must not leave out
    those that somebody complained of; but without those kept only since their image is unknown."""
    column = predictions.c
    asked = select(label_requests.c.prediction_id).where(
        label_requests.c.prediction_id == column.id
    )
    image = select(images.c.prediction_id).where(images.c.prediction_id == column.id)
    statement = (
        select(column.id)
        .where(
            column.model == model,
            column.version == version,
            column.at >= start,
            column.at < end,
            column.status == 200,
            column.origin == "traffic",
            image.exists(),
            ~asked.exists(),
            or_(column.weight.is_not(None), column.known.is_(None), column.known.is_(True)),
        )
        .order_by(column.id)
    )
    with database.reading() as connection:
        return list(connection.execute(statement).scalars())


def open_requests(database: Database, model: str) -> list[OpenRequest]:
    """Predictions whose label was asked for and has not come, the newest first."""
    statement = (
        select(predictions.c.request_id, label_requests.c.drawn, label_requests.c.at)
        .select_from(label_requests.join(predictions))
        .where(predictions.c.model == model, ~has_label(predictions.c.id))
        .order_by(label_requests.c.at.desc(), predictions.c.id)
    )
    with database.reading() as connection:
        return [OpenRequest(*row) for row in connection.execute(statement)]
