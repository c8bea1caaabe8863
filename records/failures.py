"""Database errors as one sentence, without SQL, values or passwords."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from sqlalchemy.exc import (
    DataError,
    DBAPIError,
    IntegrityError,
    NoSuchModuleError,
    StatementError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeout

from errors import DatabaseError, DiskFullError, RecordsError, SchemaError

_FULL: Final = "the disk is full; run python -m records prune, or free some space"
# Part of the driver's message; what it means, and what to do.
_MEANINGS: Final = (
    ("is locked", "another program has locked it; try again"),
    ("readonly", "it is read-only; allow writing, or use another location"),
    ("disk is full", _FULL),
    ("No space left", _FULL),
    ("unable to open", "its file cannot be opened; allow reading and writing it"),
    ("not a database", "the file is not a SQLite database; use another file"),
    ("malformed", "the file is damaged; restore it from a backup"),
    ("permission denied", "its user may not do this; have its owner run python -m records migrate"),
    ("must be owner", "its user may not do this; have its owner run python -m records migrate"),
    ("password authentication", "it rejects the user or password"),
    ("statement timeout", "it took too long to answer; try again"),
    ("lock timeout", "another program has locked it; try again"),
)


# What SQLite says of a full disk, too, where it cannot make a file beside the database's.
_UNSURE: Final = "disk I/O error"
# A page of the database, with its log.
_LEAST_BYTES: Final = 64 * 1024


def is_full(folder: Path) -> bool:
    """Whether the disk that has the folder has no room for anything; False if that is unknown."""
    try:
        disk = os.statvfs(folder)
    except (OSError, ValueError):
        return False
    return disk.f_bavail * disk.f_frsize < _LEAST_BYTES or (disk.f_files > 0 and not disk.f_favail)


@contextmanager
def translated_errors(name: str) -> Iterator[None]:
    """Raises DatabaseError for what may succeed later, RecordsError for what never can."""
    try:
        yield
    except PoolTimeout:
        raise DatabaseError(
            f"The database {name} is busy: all connections are in use; try again."
        ) from None
    except (DataError, IntegrityError) as error:
        raise RecordsError(f"The database {name} rejects a value: {_message(error)}.") from None
    except DBAPIError as error:
        raise _failure(name, error) from None
    except StatementError as error:
        reason = str(error.orig) if error.orig is not None else "it has the wrong type"
        raise RecordsError(f"A value cannot be stored: {reason}.") from None
    except NoSuchModuleError:
        raise RecordsError(f"No driver for {name} is installed: install psycopg.") from None
    except (OverflowError, UnicodeEncodeError) as error:
        raise RecordsError(f"A value cannot be stored: {error}.") from None


def _failure(name: str, error: DBAPIError) -> RecordsError:
    message = _message(error)
    # 42P01 is PostgreSQL's "undefined table".
    if "no such table" in message or getattr(error.orig, "sqlstate", None) == "42P01":
        return SchemaError(f"{name} lacks a table: run python -m records migrate.")
    meaning = next((meaning for part, meaning in _MEANINGS if part in message), message)
    if _UNSURE in message and is_full(Path(name).parent):
        meaning = _FULL
    kind = DiskFullError if meaning is _FULL else DatabaseError
    return kind(f"The database {name} cannot be used: {meaning}.")


def _message(error: DBAPIError) -> str:
    # Later lines repeat values of the row.
    lines = str(error.orig).strip().splitlines() or ["no reason given"]
    return lines[0].rstrip(" .")
