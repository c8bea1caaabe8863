"""How the loop stands, in a few numbers: for the metrics of a server.

Each worker asks twice a minute, so that every query looks at a bounded number of rows, but for that
of retrainings, which are few.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, case, func, select

from records.database import Database
from records.labelled import has_label
from records.requests import Drawn
from records.retrainings import State
from records.rollout_schema import decisions, label_requests, retrainings
from records.routing import Action
from records.schema import predictions

_DECISIONS: Final = 1000
_REQUESTS: Final = 5000


@dataclass(frozen=True)
class Standing:
    """By model. ``retrainings``: the newest one's state, and when it ended or, if it has not,
    began; ``decisions``: when the last of each kind was made, among the newest 1,000; ``requests``:
    how many labels have not come of the newest 5,000 that were asked for, 0 included."""

    retrainings: dict[str, tuple[State, datetime]]
    decisions: dict[tuple[str, Action], datetime]
    requests: dict[tuple[str, Drawn], int]


def standing(database: Database) -> Standing:
    """As of now. Raises DatabaseError."""
    with database.reading() as connection:
        return Standing(_retrainings(connection), _decisions(connection), _requests(connection))


def _retrainings(connection: Connection) -> dict[str, tuple[State, datetime]]:
    newest = select(func.max(retrainings.c.id)).group_by(retrainings.c.model)
    rows = connection.execute(select(retrainings).where(retrainings.c.id.in_(newest)))
    return {row.model: (row.state, row.ended_at or row.started_at) for row in rows}


def _decisions(connection: Connection) -> dict[tuple[str, Action], datetime]:
    column = decisions.c
    newest = select(func.max(column.id)).scalar_subquery()
    statement = (
        select(column.model, column.action, func.max(column.at).label("at"))
        .where(column.id > newest - _DECISIONS)
        .group_by(column.model, column.action)
    )
    return {(row.model, row.action): row.at for row in connection.execute(statement)}


def _requests(connection: Connection) -> dict[tuple[str, Drawn], int]:
    newest = (
        select(label_requests.c.prediction_id, label_requests.c.drawn)
        .order_by(label_requests.c.prediction_id.desc())
        .limit(_REQUESTS)
        .subquery()
    )
    waits = case((has_label(predictions.c.id), 0), else_=1)
    statement = (
        select(predictions.c.model, newest.c.drawn, func.sum(waits).label("waiting"))
        .select_from(newest.join(predictions, predictions.c.id == newest.c.prediction_id))
        .group_by(predictions.c.model, newest.c.drawn)
    )
    return {(row.model, row.drawn): int(row.waiting) for row in connection.execute(statement)}
