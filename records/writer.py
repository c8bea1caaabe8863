"""What the server writes about predictions, many at a time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert
from sqlalchemy.dialects import postgresql, sqlite

from records.columns import Label
from records.database import Database
from records.schema import images, predictions
from records.schema import traffic as traffic_table

# minute, model, version, role, kind, key; for kinds and keys see records.schema.traffic.
TrafficKey = tuple[datetime, str, str, str, str, str]


@dataclass(frozen=True, slots=True)
class PredictionRow:
    """One prediction to keep.

    ``at`` has a time zone. ``probabilities`` are little-endian float32, in the order of the
    version's labels. ``weight`` is 1 / probability of having been kept. ``image`` is as sent.
    """

    request_id: str
    model: str
    version: str
    role: str
    at: datetime
    status: int
    reason: str | None
    label: Label | None
    confidence: float | None
    probabilities: bytes | None
    weight: float | None
    image: bytes | None
    origin: str = "traffic"


def write(
    database: Database, rows: Sequence[PredictionRow], traffic: Mapping[TrafficKey, int]
) -> None:
    """Add predictions, and to the counts of traffic, in one transaction.

    Raises DatabaseError when nothing was written and another try may succeed (had the connection
    been lost in the middle of the commit itself, nobody could tell), and RecordsError when a value
    can never be kept.
    """
    if not rows and not traffic:
        return
    with database.writing() as connection:
        add_rows(connection, rows)
        _add_counts(connection, database.dialect, traffic)


def add_rows(connection: Connection, rows: Sequence[PredictionRow]) -> list[int]:
    """Insert predictions with their images; returns their ids, in order."""
    if not rows:
        return []
    statement = insert(predictions).returning(predictions.c.id, sort_by_parameter_order=True)
    ids = list(connection.execute(statement, [_values(row) for row in rows]).scalars())
    contents = [
        {"prediction_id": id_, "content": row.image}
        for id_, row in zip(ids, rows, strict=True)
        if row.image
    ]
    if contents:
        connection.execute(insert(images), contents)
    return ids


def _values(row: PredictionRow) -> dict[str, Any]:
    return {
        "request_id": row.request_id,
        "model": row.model,
        "version": row.version,
        "role": row.role,
        "at": row.at,
        "status": row.status,
        "reason": row.reason,
        "label": row.label,
        "confidence": row.confidence,
        "probabilities": row.probabilities,
        "weight": row.weight,
        "origin": row.origin,
        "image_bytes": len(row.image or b""),
    }


def _add_counts(connection: Connection, dialect: str, counts: Mapping[TrafficKey, int]) -> None:
    if not counts:
        return
    # Always in the same order: two writers that lock rows crosswise would wait for each other.
    values = [
        dict(zip(_COUNT_COLUMNS, (*key, count), strict=True))
        for key, count in sorted(counts.items())
    ]
    connection.execute(_UPSERTS[dialect], values)


def _upsert(statement: sqlite.Insert | postgresql.Insert) -> sqlite.Insert | postgresql.Insert:
    return statement.on_conflict_do_update(
        index_elements=list(traffic_table.primary_key.columns),
        set_={"count": traffic_table.c.count + statement.excluded.count},
    )


_COUNT_COLUMNS = tuple(column.name for column in traffic_table.columns)
_UPSERTS = {
    "sqlite": _upsert(sqlite.insert(traffic_table)),
    "postgresql": _upsert(postgresql.insert(traffic_table)),
}
