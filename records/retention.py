"""Deletes the oldest records, or everything about one request."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Final

from sqlalchemy import (
    Column,
    Connection,
    Table,
    func,
    select,
    text,
)
from sqlalchemy import delete as delete_from

from errors import RecordsError
from records.database import Database
from records.oldest import Oldest, Progress, delete_ids
from records.pace import Pace
from records.reserve import set_aside
from records.schema import images, labels, predictions, reports, traffic
from records.usage import used_bytes

# Predictions of a request that one transaction deletes.
_MOST: Final = 500
_PAGES: Final = 64
_MOST_PAGES: Final = 2000
# A prune to a number of bytes deletes at least this much at a time.
_MIN_STEP_BYTES: Final = 16 * 1024
_PRUNED: Final = (
    "images", "label_requests", "labels", "pairs", "predictions", "reports", "traffic",
)  # fmt: skip
# Minutes of traffic and reports that one transaction deletes, at first and at most.
_STEP_MINUTES: Final = 10
_MOST_MINUTES: Final = 12 * 60
# How long writers may wait while SQLite's log is emptied, and the rest after.
_BUSY_MILLISECONDS: Final = 20
_BUSY_REST: Final = 0.1


@dataclass(frozen=True)
class Pruned:
    """Numbers of deleted predictions (``rows``), bytes of images, traffic counts and reports;
    ``kept``: predictions that a limit would have deleted but for their labels."""

    rows: int
    bytes: int
    traffic: int
    reports: int
    kept: int = 0


@dataclass(frozen=True)
class Deleted:
    """Numbers of what was deleted of a request; ``bytes`` are those of the images.

    ``traceless``: nothing of it remains in the database's files. False if another process was
    reading: delete the request again then, or wait until later writes overwrite the rest.
    """

    predictions: int
    images: int
    labels: int
    bytes: int
    traceless: bool


def prune(
    database: Database,
    older_than: timedelta | None = None,
    max_rows: int | None = None,
    max_bytes: int | None = None,
    *,
    labelled: bool = False,
    now: datetime | None = None,
    progress: Progress = lambda _rows: None,
) -> Pruned:
    """Delete the oldest predictions until every limit is met, and free their space.

    Those with a label stay, which nobody can make again, unless ``labelled``. ``older_than`` also
    applies to traffic and reports. ``max_bytes`` applies to all tables: the pages in use on SQLite;
    an estimate on PostgreSQL, the images and 256 bytes for each row. ``progress`` is told how many
    predictions are gone. Runs in small transactions with pauses, so that others hardly wait. Raises
    RecordsError for a negative limit, and DatabaseError, which does not undo what was deleted until
    then.
    """
    if older_than is not None and older_than < timedelta(0):
        raise RecordsError("older_than is negative: it must be 0 or more.")
    if min(max_rows or 0, max_bytes or 0) < 0:
        raise RecordsError("max_rows or max_bytes is negative: they must be 0 or more.")
    total = Counter[str]()
    oldest = Oldest(database, total, labelled, progress)
    if older_than is not None:
        before = _before(now or datetime.now(UTC), older_than)
        oldest.delete(before=before)
        total["traffic"] = delete_before(database, traffic, traffic.c.minute, before)
        total["reports"] = delete_before(database, reports, reports.c.at, before)
    if max_rows is not None and (excess := count(database) - max_rows) > 0:
        oldest.delete(max_rows=excess)
    if max_bytes is not None:
        # Half of the excess at a time: how much space a row frees is only known afterwards.
        while (excess := used_bytes(database) - max_bytes) > 0:
            if not oldest.delete(min_bytes=max(excess // 2, _MIN_STEP_BYTES)):
                break
    free_space(database)
    if database.file:
        set_aside(database.file)
    return Pruned(total["rows"], total["bytes"], total["traffic"], total["reports"], total["kept"])


def delete(database: Database, request_id: str, model: str | None = None) -> Deleted:
    """Delete all predictions of a request, of one model or all, with their images and labels."""
    chosen = [predictions.c.request_id == request_id]
    if model is not None:
        chosen.append(predictions.c.model == model)
    n_predictions = n_images = n_labels = size = 0
    while True:
        with database.writing() as connection:
            statement = select(predictions.c.id).where(*chosen).limit(_MOST)
            ids = list(connection.execute(statement).scalars())
            if not ids:
                break
            # Not left to the cascade: PostgreSQL does not report how many rows that deletes.
            n_labels += connection.execute(
                delete_from(labels).where(labels.c.prediction_id.in_(ids))
            ).rowcount
            n_images += connection.execute(
                delete_from(images).where(images.c.prediction_id.in_(ids))
            ).rowcount
            rows, image_bytes = delete_ids(connection, ids)
            n_predictions, size = n_predictions + rows, size + image_bytes
    return Deleted(n_predictions, n_images, n_labels, size, free_space(database, database.timeout))


def image_digests(database: Database, request_id: str, model: str | None = None) -> frozenset[str]:
    """SHA-256 of the images that ``delete`` would delete: what was made of them elsewhere is found
    by these."""
    chosen = [predictions.c.request_id == request_id]
    if model is not None:
        chosen.append(predictions.c.model == model)
    statement = select(images.c.content).join_from(predictions, images).where(*chosen)
    with database.reading() as connection:
        return frozenset(
            sha256(content).hexdigest() for content in connection.execute(statement).scalars()
        )


def count(database: Database) -> int:
    """The number of predictions."""
    with database.reading() as connection:
        return int(connection.execute(select(func.count()).select_from(predictions)).scalar_one())


def free_space(
    database: Database, patience: float = 0.0, stopped: Callable[[], bool] = lambda: False
) -> bool:
    """Return unused space to the disk, or on PostgreSQL make it available to new rows.

    False if a reader kept SQLite from truncating its log of recent writes for ``patience``
    seconds, or if it was ``stopped``.
    """
    with database.outside() as connection:
        if database.dialect == "postgresql":
            connection.execute(text(f"VACUUM {', '.join(_PRUNED)}"))
            return True
        # A shorter file is no news that anybody waits for; the log's end is on the disk.
        connection.execute(text("PRAGMA synchronous = NORMAL"))
        incremental = connection.execute(text("PRAGMA auto_vacuum")).scalar_one() == 2
        if not incremental:
            connection.execute(text("VACUUM"))
        free = text("PRAGMA freelist_count")
        pace = Pace(_PAGES, _MOST_PAGES)
        while incremental and (before := connection.execute(free).scalar_one()):
            # It frees one page for each row that is fetched; executescript() fetches all.
            with pace.step() as pages:
                connection.connection.cursor().executescript(f"PRAGMA incremental_vacuum({pages})")
            if connection.execute(free).scalar_one() >= before:
                break
            if stopped():
                return False
        return _empty_log(connection, patience)


def _empty_log(connection: Connection, patience: float) -> bool:
    """Write SQLite's log to its file and cut it to nothing.

    That waits for all who read, and meanwhile nobody can write: so only for moments, again and
    again.
    """
    connection.execute(text(f"PRAGMA busy_timeout = {_BUSY_MILLISECONDS}"))
    until = time.monotonic() + patience
    while True:
        # First what keeps no writer waiting: the other then has little left to do.
        connection.execute(text("PRAGMA wal_checkpoint(PASSIVE)"))
        if not connection.execute(text("PRAGMA wal_checkpoint(TRUNCATE)")).one()[0]:
            return True
        if time.monotonic() >= until:
            return False
        time.sleep(_BUSY_REST)


def _before(now: datetime, age: timedelta) -> datetime:
    try:
        return now - age
    except OverflowError:
        return datetime.min.replace(tzinfo=UTC)


def delete_before(
    database: Database, table: Table, column: Column[datetime], before: datetime
) -> int:
    """Delete a table's rows of before a time; returns how many there were."""
    deleted = 0
    pace = Pace(_STEP_MINUTES, _MOST_MINUTES)
    while True:
        with pace.step() as minutes, database.writing(durable=False) as connection:
            pace.begins()
            first: datetime | None = connection.execute(select(func.min(column))).scalar_one()
            if first is None or first >= before:
                return deleted
            until = min(before, first + timedelta(minutes=minutes))
            deleted += connection.execute(delete_from(table).where(column < until)).rowcount
