"""Backups of the records: everything in the database, as it was at one moment, in one file."""

from pathlib import Path
from typing import Final

import cli
from errors import RecordsError
from records import postgresql_archive, sqlite_copy
from records.contents import Contents, Progress, counted
from records.database import Database
from records.engines import file_exists
from records.newfile import new_file

_SQLITE: Final = b"SQLite format 3\0"
_POSTGRESQL: Final = b"PGDMP"
_NAMES: Final = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}


def back_up(
    database: Database,
    path: Path,
    *,
    overwrite: bool = False,
    progress: Progress = lambda _percent: None,
) -> Contents:
    """Write all records, labels, rollouts, reports and keys to ``path``: whole, or no file.

    Others may write meanwhile; the file has what was there when it began. It is read again, and its
    rows are counted. Of SQLite it is a database, of PostgreSQL an archive of ``pg_dump``. Raises
    RecordsError, and DatabaseError.
    """
    if (database.file and not file_exists(database.file)) or database.revision() is None:
        # Says so. An older schema is fine: who upgrades makes a backup first.
        database.check()
    # It holds people's images and the digests of keys.
    with new_file(path, overwrite=overwrite, mode=0o600) as part:
        if database.file is None:
            backup = postgresql_archive.write(database, part)
        else:
            if path.exists() and path.samefile(database.file):
                raise RecordsError(f"{path} is the database itself: choose another file.")
            backup = sqlite_copy.write(database, part, progress)
    return backup


def restore(
    database: Database,
    path: Path,
    *,
    replace: bool = False,
    progress: Progress = lambda _percent: None,
) -> Contents:
    """Put the database back to what the backup in ``path`` holds, in one transaction.

    Servers may go on meanwhile. An older backup's schema is brought up to date. Keys that have been
    revoked since stay revoked. Raises RecordsError if the backup is damaged or of another kind of
    database, or if there are records already, unless ``replace`` says to lose them; and
    DatabaseError. The database is then as it was.
    """
    kind = _kind(path)
    if kind != database.dialect:
        raise RecordsError(
            f"{path} is a backup of {_NAMES[kind]}, and this database is "
            f"{_NAMES[database.dialect]}: restore it to one of its own kind."
        )
    if not replace and (present := _present(database)):
        raise RecordsError(
            f"{database.name} has {present}, which would be lost: back them up, and add --replace."
        )
    if kind == "sqlite":
        return sqlite_copy.read(database, path, progress)
    return postgresql_archive.read(database, path, progress)


def _kind(path: Path) -> str:
    try:
        with path.open("rb") as file:
            head = file.read(len(_SQLITE))
    except OSError as error:
        raise RecordsError(f"{path} cannot be read: {error.strerror}.") from None
    if head == _SQLITE:
        return "sqlite"
    if head.startswith(_POSTGRESQL):
        return "postgresql"
    raise RecordsError(f"{path} is not a backup: write one with python -m records backup.")


def _present(database: Database) -> str:
    """What people would miss: a server that starts makes rows of its own."""
    if (database.file and not file_exists(database.file)) or database.revision() is None:
        return ""
    with database.reading() as connection:
        rows = counted(connection)
    nouns = ("prediction", "label", "decision", "key")
    found = {noun: rows.get(f"{noun}s", 0) for noun in nouns}
    return ", ".join(cli.counted(count, noun) for noun, count in found.items() if count)
