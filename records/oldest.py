"""The oldest predictions, deleted a few at a time."""

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, Row, and_, literal, or_, select
from sqlalchemy import delete as delete_from

from records.chunks import chunks
from records.database import Database
from records.labelled import has_label
from records.pace import Pace
from records.schema import predictions
from records.usage import ROW_BYTES

Progress = Callable[[int], None]
"""Told how many predictions are gone."""

# Predictions that one transaction deletes at first, and at most: see records.pace.
_STEP: Final = 50
_MOST: Final = 500
# Of images in one transaction: SQLite writes as much again over them, and all of it to its log.
_STEP_BYTES: Final = 4 * 1024 * 1024


class Oldest:
    """Deletes the oldest predictions, and never looks again at those that stay for their labels.

    Adds how many went, the bytes of their images, and how many stayed, to ``total``.
    """

    def __init__(
        self, database: Database, total: Counter[str], labelled: bool, progress: Progress
    ) -> None:
        self._database, self._total = database, total
        self._labelled, self._progress = labelled, progress
        self._pace = Pace(_STEP, _MOST)
        self._passed: tuple[datetime, int] | None = None

    def delete(
        self,
        *,
        before: datetime | None = None,
        max_rows: int | None = None,
        min_bytes: int | None = None,
    ) -> int:
        """All ``before`` a time, up to ``max_rows``, or until about ``min_bytes`` are free; returns
        how many."""
        deleted = freed = 0
        while (min_bytes is None or freed < min_bytes) and (max_rows is None or deleted < max_rows):
            with self._pace.step() as step, self._database.writing(durable=False) as connection:
                self._pace.begins()
                most = step if max_rows is None else min(step, max_rows - deleted)
                found = self._next(connection, before, most)
                ids = []
                before_this = freed
                for id_, at, image_bytes, has_labels in found:
                    if min_bytes is not None and freed >= min_bytes:
                        break
                    if freed - before_this >= _STEP_BYTES:
                        break
                    self._passed = at, id_
                    if has_labels:
                        self._total["kept"] += 1
                        continue
                    ids.append(id_)
                    freed += image_bytes + ROW_BYTES
                rows, size = delete_ids(connection, ids)
            if not found:
                break
            deleted += len(ids)
            self._total.update(rows=rows, bytes=size)
            self._progress(self._total["rows"])
        return deleted

    def _next(
        self, connection: Connection, before: datetime | None, most: int
    ) -> Sequence[Row[int, datetime, int, bool]]:
        column = predictions.c
        protected = literal(False) if self._labelled else has_label(column.id)
        statement = (
            select(column.id, column.at, column.image_bytes, protected)
            .order_by(column.at, column.id)
            .limit(most)
        )
        if before is not None:
            statement = statement.where(column.at < before)
        if self._passed is not None:
            at, id_ = self._passed
            later = or_(column.at > at, and_(column.at == at, column.id > id_))
            statement = statement.where(column.at >= at, later)
        return connection.execute(statement).all()


def delete_ids(connection: Connection, ids: list[int]) -> tuple[int, int]:
    """The number of rows and the bytes of their images; images and labels are deleted too."""
    rows = size = 0
    for chunk in chunks(ids):
        deleted = connection.execute(
            delete_from(predictions)
            .where(predictions.c.id.in_(chunk))
            .returning(predictions.c.image_bytes)
        )
        sizes = list(deleted.scalars())
        rows, size = rows + len(sizes), size + sum(sizes)
    return rows, size
