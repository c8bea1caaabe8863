"""How many records each model has."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, case, distinct, func, select, text

from records.database import Database
from records.reserve import reserve
from records.schema import labels, metadata, predictions, traffic


@dataclass(frozen=True)
class ModelStats:
    """Numbers of one model. ``requests``: all of them; ``kept``: those that were sampled.

    ``labelled`` predictions have a label; those in ``conflicts`` have sources that disagree.
    """

    model: str
    requests: int = 0
    kept: int = 0
    rejected: int = 0
    feedback: int = 0
    imported: int = 0
    images: int = 0
    image_bytes: int = 0
    labelled: int = 0
    conflicts: int = 0
    first: datetime | None = None
    last: datetime | None = None


@dataclass(frozen=True)
class Stats:
    """``bytes``: the size of the database on disk."""

    database: str
    bytes: int
    models: tuple[ModelStats, ...]


def stats(database: Database) -> Stats:
    """Of every model, ordered by name. Raises DatabaseError."""
    with database.reading() as connection:
        by_model: dict[str, dict[str, Any]] = {}
        for rows in (_predictions(connection), _requests(connection), _labels(connection)):
            for row in rows:
                by_model.setdefault(row["model"], {}).update(row)
        size = _postgresql_bytes(connection) if database.file is None else 0
    if database.file is not None:
        size = sum(
            path.stat().st_size
            for path in database.file.parent.glob(f"{database.file.name}*")
            if path != reserve(database.file)
        )
    models = tuple(ModelStats(**by_model[model]) for model in sorted(by_model))
    return Stats(database.name, size, models)


def _predictions(connection: Connection) -> list[dict[str, Any]]:
    column = predictions.c

    def number(condition: Any) -> Any:
        return func.coalesce(func.sum(case((condition, 1), else_=0)), 0)

    statement = select(
        column.model,
        number(column.origin == "traffic").label("kept"),
        number(column.status != 200).label("rejected"),
        number(column.origin == "feedback").label("feedback"),
        number(column.origin == "import").label("imported"),
        number(column.image_bytes > 0).label("images"),
        func.sum(column.image_bytes).label("image_bytes"),
        func.min(column.at).label("first"),
        func.max(column.at).label("last"),
    ).group_by(column.model)
    rows = [dict(row) for row in connection.execute(statement).mappings()]
    # PostgreSQL returns a sum of bigint as a decimal.
    return [row | {"image_bytes": int(row["image_bytes"])} for row in rows]


def _requests(connection: Connection) -> list[dict[str, Any]]:
    statement = (
        select(traffic.c.model, func.sum(traffic.c.count).label("requests"))
        .where(traffic.c.kind == "status")
        .group_by(traffic.c.model)
    )
    return [
        {"model": model, "requests": int(requests)}
        for model, requests in connection.execute(statement)
    ]


def _labels(connection: Connection) -> list[dict[str, Any]]:
    newest = select(func.max(labels.c.id)).group_by(labels.c.prediction_id, labels.c.source)
    each = (
        select(labels.c.model, func.count(distinct(labels.c.label)).label("distinct_labels"))
        .where(labels.c.id.in_(newest))
        .group_by(labels.c.model, labels.c.prediction_id)
        .subquery()
    )
    statement = select(
        each.c.model,
        func.count().label("labelled"),
        func.sum(case((each.c.distinct_labels > 1, 1), else_=0)).label("conflicts"),
    ).group_by(each.c.model)
    return [dict(row) for row in connection.execute(statement).mappings()]


def _postgresql_bytes(connection: Connection) -> int:
    return sum(
        int(
            connection.execute(
                text("SELECT pg_total_relation_size(to_regclass(:name))"), {"name": name}
            ).scalar_one()
        )
        for name in metadata.tables
    )
