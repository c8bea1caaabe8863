"""A database's errors as one sentence, without its SQL, its values or its password."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from sqlalchemy.exc import (
    DataError,
    DBAPIError,
    IntegrityError,
    NoSuchModuleError,
    StatementError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeout

from errors import DatabaseError, RecordsError, SchemaError

# By what the driver's words contain: what it means, and what would be right.
_MEANINGS: Final = (
    ("is locked", "another program keeps it locked; try again"),
    ("readonly", "it may not be written to; allow it, or choose another place"),
    ("disk is full", "the disk is full; make room, and run python -m records prune"),
    ("No space left", "the disk is full; make room, and run python -m records prune"),
    ("unable to open", "its file cannot be opened; allow it to be read and written"),
    ("not a database", "the file is not a SQLite database; choose another"),
    ("malformed", "the file is damaged; bring it back from a backup"),
    ("password authentication", "it does not accept this user and password"),
    ("statement timeout", "it takes too long to answer; try again"),
    ("lock timeout", "another program keeps it locked; try again"),
)


@contextmanager
def translated_errors(name: str) -> Iterator[None]:
    """Raises DatabaseError for what may succeed later, RecordsError for what never will."""
    try:
        yield
    except PoolTimeout:
        raise DatabaseError(
            f"The database {name} is busy: all connections are taken; try again."
        ) from None
    except (DataError, IntegrityError) as error:
        raise RecordsError(f"The database {name} refuses a value: {_words(error)}.") from None
    except DBAPIError as error:
        raise _failure(name, error) from None
    except StatementError as error:
        reason = str(error.orig) if error.orig is not None else "it is of another type"
        raise RecordsError(f"A value cannot be kept: {reason}.") from None
    except NoSuchModuleError:
        raise RecordsError(f"There is no driver for {name}; install psycopg.") from None
    except (OverflowError, UnicodeEncodeError) as error:
        raise RecordsError(f"A value cannot be kept: {error}.") from None


def _failure(name: str, error: DBAPIError) -> RecordsError:
    words = _words(error)
    # 42P01 is PostgreSQL's "undefined table".
    if "no such table" in words or getattr(error.orig, "sqlstate", None) == "42P01":
        return SchemaError(f"{name} lacks a table: run python -m records migrate.")
    meaning = next((meaning for part, meaning in _MEANINGS if part in words), words)
    return DatabaseError(f"The database {name} cannot be used: {meaning}.")


def _words(error: DBAPIError) -> str:
    # The lines after the first repeat values of the row.
    lines = str(error.orig).strip().splitlines() or ["no reason given"]
    return lines[0].rstrip(" .")
