"""Predictions whose true label was asked for, and why: a label that nobody asked for is biased."""

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Literal

from sqlalchemy import Connection, insert, select

from records.chunks import chunks
from records.database import Database
from records.rollout_schema import label_requests

Drawn = Literal["random", "monitor", "rollout", "volunteered"]
"""How an image was chosen to be labelled: at random, by the monitor during an alarm, by a
rollout because champion and challenger disagree, or by whoever sent the label."""


def ask(
    database: Database,
    prediction_ids: Collection[int],
    drawn: Drawn,
    rollout_id: int | None = None,
) -> int:
    """Ask for the labels of predictions; returns how many nobody had asked for before."""
    with database.writing() as connection:
        asked = drawn_as(connection, prediction_ids)
        now = datetime.now(UTC)
        rows = [
            {"prediction_id": id_, "drawn": drawn, "rollout_id": rollout_id, "at": now}
            for id_ in sorted(set(prediction_ids) - asked.keys())
        ]
        if rows:
            connection.execute(insert(label_requests), rows)
        return len(rows)


def drawn_as(connection: Connection, prediction_ids: Collection[int]) -> dict[int, Drawn]:
    """How those were chosen whose label was asked for."""
    found: dict[int, Drawn] = {}
    for chunk in chunks(sorted(prediction_ids)):
        statement = select(label_requests.c.prediction_id, label_requests.c.drawn)
        rows = connection.execute(statement.where(label_requests.c.prediction_id.in_(chunk)))
        found |= {row.prediction_id: row.drawn for row in rows}
    return found
