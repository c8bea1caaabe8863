"""Deletes the oldest records, or everything about one request."""

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Final

from sqlalchemy import Column, Connection, Table, func, select, text
from sqlalchemy import delete as delete_from

from errors import RecordsError
from records.chunks import chunks
from records.database import Database
from records.schema import images, labels, predictions, reports, traffic

# Rows that one transaction deletes; other writers wait for it.
_STEP: Final = 500
# Bytes of a row without its image but with indexes: 212 measured on SQLite, 231 on PostgreSQL.
_ROW_BYTES: Final = 256
_PAGES: Final = 2000
# A prune to a number of bytes deletes at least this much at a time.
_MIN_STEP_BYTES: Final = 16 * 1024
_PRUNED: Final = (
    "images", "label_requests", "labels", "pairs", "predictions", "reports", "traffic",
)  # fmt: skip
# Of traffic and reports, what one transaction deletes.
_STEP_TIME: Final = timedelta(hours=12)


@dataclass(frozen=True)
class Pruned:
    """Numbers of deleted predictions (``rows``), bytes of images, traffic counts and reports."""

    rows: int
    bytes: int
    traffic: int
    reports: int


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
    now: datetime | None = None,
) -> Pruned:
    """Delete the oldest predictions until every limit is met, and free their space.

    ``older_than`` also applies to traffic and reports. ``max_bytes`` applies to all tables: the
    pages in use on SQLite; an estimate on PostgreSQL, the images and 256 bytes for each row. Runs
    in small transactions, between which others can write. Raises RecordsError for a negative
    limit, and DatabaseError, which does not undo what was deleted until then.
    """
    if older_than is not None and older_than < timedelta(0):
        raise RecordsError("older_than is negative: it must be 0 or more.")
    if min(max_rows or 0, max_bytes or 0) < 0:
        raise RecordsError("max_rows or max_bytes is negative: they must be 0 or more.")
    total = Counter[str]()
    if older_than is not None:
        before = _before(now or datetime.now(UTC), older_than)
        _delete_oldest(database, total, before=before)
        total["traffic"] = _delete_before(database, traffic, traffic.c.minute, before)
        total["reports"] = _delete_before(database, reports, reports.c.at, before)
    if max_rows is not None and (excess := count(database) - max_rows) > 0:
        _delete_oldest(database, total, max_rows=excess)
    if max_bytes is not None:
        # Half of the excess at a time: how much space a row frees is only known afterwards.
        while (excess := used_bytes(database) - max_bytes) > 0:
            if not _delete_oldest(database, total, min_bytes=max(excess // 2, _MIN_STEP_BYTES)):
                break
    free_space(database)
    return Pruned(total["rows"], total["bytes"], total["traffic"], total["reports"])


def delete(database: Database, request_id: str, model: str | None = None) -> Deleted:
    """Delete all predictions of a request, of one model or all, with their images and labels."""
    chosen = [predictions.c.request_id == request_id]
    if model is not None:
        chosen.append(predictions.c.model == model)
    n_predictions = n_images = n_labels = size = 0
    while True:
        with database.writing() as connection:
            statement = select(predictions.c.id).where(*chosen).limit(_STEP)
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
            rows, image_bytes = _delete_ids(connection, ids)
            n_predictions, size = n_predictions + rows, size + image_bytes
    return Deleted(n_predictions, n_images, n_labels, size, free_space(database))


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


def used_bytes(database: Database) -> int:
    """The bytes that ``max_bytes`` limits."""
    with database.reading() as connection:
        if database.dialect == "sqlite":
            pages, free, size = (
                int(connection.execute(text(f"PRAGMA {name}")).scalar_one())
                for name in ("page_count", "freelist_count", "page_size")
            )
            return (pages - free) * size
        rows = sum(
            int(connection.execute(select(func.count()).select_from(table)).scalar_one())
            for table in (predictions, labels, traffic, reports)
        )
        contents = connection.execute(select(func.sum(predictions.c.image_bytes))).scalar_one()
        return rows * _ROW_BYTES + int(contents or 0)


def free_space(database: Database) -> bool:
    """Return unused space to the disk, or on PostgreSQL make it available to new rows.

    False if a reader kept SQLite from truncating its log of recent writes.
    """
    with database.outside() as connection:
        if database.dialect == "postgresql":
            connection.execute(text(f"VACUUM {', '.join(_PRUNED)}"))
            return True
        incremental = connection.execute(text("PRAGMA auto_vacuum")).scalar_one() == 2
        if not incremental:
            connection.execute(text("VACUUM"))
        free = text("PRAGMA freelist_count")
        while incremental and (before := connection.execute(free).scalar_one()):
            # It frees one page for each row that is fetched; executescript() fetches all.
            connection.connection.cursor().executescript(f"PRAGMA incremental_vacuum({_PAGES})")
            if connection.execute(free).scalar_one() >= before:
                break
        busy = connection.execute(text("PRAGMA wal_checkpoint(TRUNCATE)")).one()[0]
        return not busy


def _before(now: datetime, age: timedelta) -> datetime:
    try:
        return now - age
    except OverflowError:
        return datetime.min.replace(tzinfo=UTC)


def _delete_oldest(
    database: Database,
    total: Counter[str],
    *,
    before: datetime | None = None,
    max_rows: int | None = None,
    min_bytes: int | None = None,
) -> int:
    """Delete the oldest predictions: all ``before`` a time, up to ``max_rows``, or until about
    ``min_bytes`` are free.

    Returns how many; adds them, and the bytes of their images, to ``total``.
    """
    deleted = freed = 0
    while (min_bytes is None or freed < min_bytes) and (max_rows is None or deleted < max_rows):
        statement = (
            select(predictions.c.id, predictions.c.image_bytes)
            .order_by(predictions.c.at, predictions.c.id)
            .limit(_STEP if max_rows is None else min(_STEP, max_rows - deleted))
        )
        if before is not None:
            statement = statement.where(predictions.c.at < before)
        with database.writing() as connection:
            ids = []
            for id_, image_bytes in connection.execute(statement):
                if min_bytes is not None and freed >= min_bytes:
                    break
                ids.append(id_)
                freed += image_bytes + _ROW_BYTES
            if not ids:
                break
            rows, size = _delete_ids(connection, ids)
        deleted += len(ids)
        total.update(rows=rows, bytes=size)
    return deleted


def _delete_ids(connection: Connection, ids: list[int]) -> tuple[int, int]:
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


def _delete_before(
    database: Database, table: Table, column: Column[datetime], before: datetime
) -> int:
    deleted = 0
    while True:
        with database.writing() as connection:
            first: datetime | None = connection.execute(select(func.min(column))).scalar_one()
            if first is None or first >= before:
                return deleted
            until = min(before, first + _STEP_TIME)
            deleted += connection.execute(delete_from(table).where(column < until)).rowcount
