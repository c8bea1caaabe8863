"""The oldest predictions, deleted a few at a time."""

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, Row, and_, literal, or_, select, text
from sqlalchemy import delete as delete_from

from errors import DiskFullError
from records.chunks import chunks
from records.database import Database
from records.labelled import has_label
from records.pace import TARGET, Pace
from records.reserve import release
from records.schema import predictions
from records.usage import ROW_BYTES

Progress = Callable[[int], None]
"""Told how many predictions are gone."""

# Predictions that one transaction deletes at first, at least and at most: see records.pace.
_STEP: Final = 50
_LEAST: Final = 8
_MOST: Final = 500
_POSTGRESQL_SECONDS: Final = 0.5
# Of images in one transaction: SQLite writes as much again over them, and all of it to its log.
_STEP_BYTES: Final = 4 * 1024 * 1024
# On a full disk: how many in one transaction, and how often that may fail.
_MOST_LEAN: Final = 16
_MOST_FULL: Final = 20


@dataclass
class _Step:
    """``looked_at``: rows that went or stay for their labels, the last of them ``passed``;
    ``bytes``: that were freed, about."""

    passed: tuple[datetime, int] | None
    looked_at: int = 0
    rows: int = 0
    bytes: int = 0


class Oldest:
    """Deletes the oldest predictions, and never looks again at those that stay for their labels.

    Adds how many went, the bytes of their images, and how many stayed, to ``total``.
    """

    def __init__(
        self, database: Database, total: Counter[str], labelled: bool, progress: Progress
    ) -> None:
        self._database, self._total = database, total
        self._labelled, self._progress = labelled, progress
        # On PostgreSQL nobody waits for it.
        target = TARGET if database.dialect == "sqlite" else _POSTGRESQL_SECONDS
        self._pace = Pace(_STEP, _MOST, _LEAST, target)
        self._passed: tuple[datetime, int] | None = None
        # How often the disk was full.
        self._full = 0

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
            most = None if max_rows is None else max_rows - deleted
            enough = _STEP_BYTES if min_bytes is None else min(_STEP_BYTES, min_bytes - freed)
            try:
                step = self._step(before, most, enough)
            except DiskFullError:
                self._make_do()
                continue
            if not step.looked_at:
                break
            deleted, freed = deleted + step.rows, freed + step.bytes
            self._passed = step.passed
            size = step.bytes - step.rows * ROW_BYTES
            self._total.update(rows=step.rows, bytes=size, kept=step.looked_at - step.rows)
            self._progress(self._total["rows"])
        return deleted

    def _step(self, before: datetime | None, most: int | None, enough: int) -> "_Step":
        """One transaction; nothing of it counts if it fails."""
        step = _Step(passed=self._passed)
        with (
            self._pace.step() as size,
            self._database.writing(durable=False, lean=self._full > 0) as connection,
        ):
            self._pace.begins()
            ids = []
            for row in self._next(connection, before, min(size, most or size)):
                id_, step.passed, image_bytes, has_labels = row[0], (row[1], row[0]), row[2], row[3]
                step.looked_at += 1
                if has_labels:
                    continue
                ids.append(id_)
                step.bytes += image_bytes + ROW_BYTES
                if step.bytes >= enough:
                    break
            step.rows, size_of_images = delete_ids(connection, ids)
            step.bytes = size_of_images + step.rows * ROW_BYTES
        if self._full:
            self._empty_log()
        return step

    def _make_do(self) -> None:
        """The disk is full: take what was set aside, write as little as can be, and row by row.
        Raises DiskFullError if that is not enough either."""
        file = self._database.file
        self._full += 1
        if file is None or self._full > _MOST_FULL:
            raise DiskFullError(
                f"The database {self._database.name} cannot be used: the disk is so full that "
                "nothing can be deleted; free 10 MB of it first."
            )
        release(file)
        self._pace = Pace(1, _MOST_LEAN)
        self._empty_log()

    def _empty_log(self) -> None:
        """So that the next step finds room in it."""
        with suppress(DiskFullError), self._database.outside() as connection:
            connection.execute(text("PRAGMA wal_checkpoint(PASSIVE)"))

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
