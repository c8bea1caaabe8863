"""What is let go: the oldest records, and everything of a request that must be forgotten."""

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import Column, Connection, Table, func, select, text
from sqlalchemy import delete as delete_from

from errors import RecordsError
from records.chunks import chunks
from records.database import Database
from records.schema import images, labels, predictions, reports, traffic

# Rows that one transaction deletes: other writers wait for no more than these.
_STEP: Final = 500
# What a row takes beside its image, indexes included: 212 measured on SQLite, 231 on PostgreSQL.
_ROW_BYTES: Final = 256
_PAGES: Final = 2000
# Of bytes, so much more than asked may go.
_LEAST_BYTES: Final = 16 * 1024
# Of traffic and reports, what one transaction deletes.
_STRETCH: Final = timedelta(hours=12)


@dataclass(frozen=True)
class Pruned:
    """What was deleted: predictions, the bytes of their images, counts of traffic, reports."""

    rows: int
    bytes: int
    traffic: int
    reports: int


@dataclass(frozen=True)
class Deleted:
    """What was deleted of a request.

    ``traceless``: nothing of it is left in the database's files. Where it is false, another
    process was reading; the rest goes when the same is asked again, or by itself with time.
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
    """Delete the oldest predictions until every bound holds, and give their space back.

    ``older_than`` goes for traffic and reports too. ``max_bytes`` is for all tables: SQLite's pages
    in use; on PostgreSQL, which does not tell, the images and 256 for each row. In small
    transactions, between which others write. Raises RecordsError for a bound below zero, and
    DatabaseError, after which what was deleted stays so.
    """
    if older_than is not None and older_than < timedelta(0):
        raise RecordsError("older_than is below zero: give an age.")
    if min(max_rows or 0, max_bytes or 0) < 0:
        raise RecordsError("max_rows and max_bytes are bounds: give none that is below zero.")
    gone = Counter[str]()
    if older_than is not None:
        before = _before(now or datetime.now(UTC), older_than)
        _delete_oldest(database, gone, before=before)
        gone["traffic"] = _delete_before(database, traffic, traffic.c.minute, before)
        gone["reports"] = _delete_before(database, reports, reports.c.at, before)
    if max_rows is not None and (excess := count(database) - max_rows) > 0:
        _delete_oldest(database, gone, rows=excess)
    if max_bytes is not None:
        # Half of it at a time: what a row took is only known when it is gone.
        while (excess := used_bytes(database) - max_bytes) > 0:
            if not _delete_oldest(database, gone, enough=max(excess // 2, _LEAST_BYTES)):
                break
    give_back(database)
    return Pruned(gone["rows"], gone["bytes"], gone["traffic"], gone["reports"])


def delete(database: Database, request_id: str, model: str | None = None) -> Deleted:
    """Delete every prediction of a request, of one model or of all, with its image and labels."""
    chosen = [predictions.c.request_id == request_id]
    if model is not None:
        chosen.append(predictions.c.model == model)
    kept = pictures = said = size = 0
    while True:
        with database.writing() as connection:
            statement = select(predictions.c.id).where(*chosen).limit(_STEP)
            ids = list(connection.execute(statement).scalars())
            if not ids:
                break
            # PostgreSQL says how many rows a cascade took to nobody.
            said += connection.execute(
                delete_from(labels).where(labels.c.prediction_id.in_(ids))
            ).rowcount
            pictures += connection.execute(
                delete_from(images).where(images.c.prediction_id.in_(ids))
            ).rowcount
            gone = _delete_ids(connection, ids)
            kept, size = kept + gone[0], size + gone[1]
    return Deleted(kept, pictures, said, size, give_back(database))


def count(database: Database) -> int:
    """How many predictions there are."""
    with database.reading() as connection:
        return int(connection.execute(select(func.count()).select_from(predictions)).scalar_one())


def used_bytes(database: Database) -> int:
    """What ``max_bytes`` bounds."""
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


def give_back(database: Database) -> bool:
    """Return free space to the disk, or on PostgreSQL to new rows.

    False when a reader kept SQLite from emptying its log of recent writes.
    """
    with database.outside() as connection:
        if database.dialect == "postgresql":
            connection.execute(text("VACUUM images, labels, predictions, traffic, reports"))
            return True
        incremental = connection.execute(text("PRAGMA auto_vacuum")).scalar_one() == 2
        if not incremental:
            connection.execute(text("VACUUM"))
        free = text("PRAGMA freelist_count")
        while incremental and (before := connection.execute(free).scalar_one()):
            # It frees a page each time it is asked for a next row: a script asks to the end.
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
    gone: Counter[str],
    *,
    before: datetime | None = None,
    rows: int | None = None,
    enough: int | None = None,
) -> int:
    """Delete what is ``before``, so many ``rows``, or about ``enough`` bytes; returns the rows.

    Adds them, and the bytes of their images, to ``gone``.
    """
    deleted = freed = 0
    while (enough is None or freed < enough) and (rows is None or deleted < rows):
        statement = (
            select(predictions.c.id, predictions.c.image_bytes)
            .order_by(predictions.c.at, predictions.c.id)
            .limit(_STEP if rows is None else min(_STEP, rows - deleted))
        )
        if before is not None:
            statement = statement.where(predictions.c.at < before)
        with database.writing() as connection:
            ids = []
            for id_, image_bytes in connection.execute(statement):
                if enough is not None and freed >= enough:
                    break
                ids.append(id_)
                freed += image_bytes + _ROW_BYTES
            if not ids:
                break
            found = _delete_ids(connection, ids)
        deleted += len(ids)
        gone.update(rows=found[0], bytes=found[1])
    return deleted


def _delete_ids(connection: Connection, ids: list[int]) -> tuple[int, int]:
    """Rows and bytes of images; images and labels go along."""
    rows = size = 0
    for chunk in chunks(ids):
        gone = connection.execute(
            delete_from(predictions)
            .where(predictions.c.id.in_(chunk))
            .returning(predictions.c.image_bytes)
        )
        sizes = list(gone.scalars())
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
            until = min(before, first + _STRETCH)
            deleted += connection.execute(delete_from(table).where(column < until)).rowcount
