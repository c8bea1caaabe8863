"""Whether anything was decided, read from an SQLite file in a millisecond.

SQLAlchemy takes a quarter of a second of CPU to import, most of what a command such as ``models
list`` needs. Where nobody has decided anything, or a server on this machine has kept what the last
decision made, that is all there is to ask the database.
"""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

NEWEST: Final = "SELECT max(id) FROM decisions"


def last_decision(file: Path, seconds: float) -> int | None:
    """The number of the last decision, 0 if there is none; None if that is not to be had like this,
    and ``records.database`` says why."""
    try:
        where = f"{file.absolute().as_uri()}?mode=ro"
        with closing(sqlite3.connect(where, uri=True, timeout=seconds)) as connection:
            (found,) = connection.execute(NEWEST).fetchone()
    except (sqlite3.Error, OSError, ValueError):
        return None
    return int(found or 0)
