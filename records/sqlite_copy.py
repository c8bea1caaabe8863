"""A SQLite database, copied to a file and back, while others use it.

SQLite's own backup copies pages: https://sqlite.org/backup.html.
"""

import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, cast

from sqlalchemy.exc import DBAPIError

from errors import DatabaseError, DiskFullError, RecordsError
from records.contents import Contents, Progress, counted
from records.database import COMMAND_SECONDS, Database
from records.engines import file_exists
from records.failures import is_full
from records.succession import Succession

_PAGES: Final = 2000


def write(database: Database, part: Path, progress: Progress) -> Contents:
    """Copy the database to ``part``, and check the copy. Raises RecordsError and DatabaseError."""
    with database.reading() as connection:
        # It begins the transaction, whose snapshot all steps of the copy then read; without one,
        # each write of another process would make the copy begin again.
        rows = counted(connection)
        driver = cast("sqlite3.Connection", connection.connection.driver_connection)
        with _failures(part), closing(sqlite3.connect(part)) as target:
            _copy(driver, target, progress)
            # One file, which can also be read where nothing can be written beside it.
            target.execute("PRAGMA journal_mode = DELETE")
    backup = _checked(part)
    if backup.rows != rows:
        raise RecordsError("The copy differs from the database: try again.")
    return backup


def read(database: Database, path: Path, progress: Progress) -> Contents:
    """Make the database what the file holds. Raises RecordsError and DatabaseError."""
    file = cast("Path", database.file)
    backup = _checked(path)
    with (
        _created(database, file),
        _failures(file),
        TemporaryDirectory(dir=file.parent, prefix=".restore-") as folder,
    ):
        prepared = Path(folder) / file.name
        shutil.copyfile(path, prepared)
        with Database(f"sqlite:///{prepared}") as copy:
            copy.prepare()
            succession = Succession.of(database)
            with copy.writing() as connection:
                succession.apply(connection, path)
        with database.outside() as connection, closing(sqlite3.connect(prepared)) as source:
            driver = cast("sqlite3.Connection", connection.connection.driver_connection)
            # One write transaction of the database: others read what was there until it ends.
            _copy(source, driver, progress)
    return backup


@contextmanager
def _created(database: Database, file: Path) -> Iterator[None]:
    """With a file of the database. One that is made for this is gone if it fails: an empty database
    would be taken for one that has lost its records."""
    new = not file_exists(file)
    database.create_file()
    try:
        yield
    except BaseException:
        with suppress(OSError):
            # Unless somebody has begun to use it.
            if new and file.stat().st_size == 0:
                file.unlink()
        raise


def _copy(source: sqlite3.Connection, target: sqlite3.Connection, progress: Progress) -> None:
    """Raises DatabaseError if nothing goes on for ``COMMAND_SECONDS``."""
    moved, left = time.monotonic(), -1

    def tell(_status: int, remaining: int, total: int) -> None:
        nonlocal moved, left
        now = time.monotonic()
        if remaining != left:
            moved, left = now, remaining
        elif now - moved > COMMAND_SECONDS:
            # Otherwise SQLite would try for ever.
            raise DatabaseError("Another program has locked the database; try again.")
        progress(100 * (total - remaining) // max(total, 1))

    source.backup(target, pages=_PAGES, progress=tell, sleep=0.05)


def _checked(path: Path) -> Contents:
    """What the file holds. Raises RecordsError if it is damaged, or not of records."""
    try:
        with Database(f"sqlite:///{path}") as database:
            schema = database.revision()
            if schema is None:
                raise RecordsError(f"{path} has no records: it is another program's database.")
            with database.reading() as connection:
                for check in ("integrity_check(1)", "foreign_key_check"):
                    found = connection.exec_driver_sql(f"PRAGMA {check}").first()
                    if found not in (None, ("ok",)):
                        raise _damaged(path, str(found[0]).splitlines()[-1])
                return Contents(schema, counted(connection), path.stat().st_size)
    except DatabaseError as error:
        if isinstance(error.__context__, DBAPIError):
            raise _damaged(path, str(error.__context__.orig)) from None
        raise


def _damaged(path: Path, why: str) -> RecordsError:
    return RecordsError(f"{path} is damaged ({why}): use another backup.")


@contextmanager
def _failures(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        if is_full(path.parent):
            raise DiskFullError(f"{path} cannot be written: the disk is full.") from None
        raise DatabaseError(f"{path} cannot be written: {error}.") from None
    except OSError as error:
        raise RecordsError(f"{path} cannot be written: {error.strerror or error}.") from None
