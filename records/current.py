"""Who is champion, for commands and for the packing of a Bento: whoever asks outside of a server.

Nothing here is created or migrated, and none of it fails: a database that cannot be asked is
replaced by what was known last.
"""

import logging
from collections.abc import Mapping
from functools import cache
from typing import Final

from errors import RecordsError
from records.glance import last_decision
from records.remembered import FILE, remembered
from records.routing import Routing
from settings import Settings, settings

logger = logging.getLogger("pupila.records")

# Somebody waits for the command that asks.
_SECONDS: Final = 3.0

# In place of a decision's number: there is no database; it has no decisions.
_NONE: Final = -1
_EMPTY: Final = 0


def champions(chosen: Settings | None = None) -> Mapping[str, Routing]:
    """Who answers for each model that has an alias; of any other, the newest version does.

    From the database that the settings name; without one, or with a line in the log if it cannot be
    read or has lost its decisions, from the file in which a server on this machine keeps what it
    knew last.
    """
    chosen = chosen or settings()
    try:
        decision, found = _decided(chosen)
        if decision > 0:
            return found
        fault = None
    except RecordsError as error:
        fault = str(error)
    # Decisions are never deleted: a database that has none, where some were known, is another.
    known = remembered(chosen.home / FILE)
    if known is not None and known[0] > 0:
        if fault is not None or decision == _EMPTY:
            why = fault or "the database has no decisions, but this machine knew some."
            _warn(f"the champions known last on this machine are used: {why}")
        return known[1]
    if fault is not None:
        _warn(f"the newest versions are taken for the champions: {fault}")
    return {}


def unreadable(chosen: Settings | None = None) -> str | None:
    """Why nobody here can know who is champion; None where the database says, or there is none."""
    try:
        _decided(chosen or settings())
    except RecordsError as error:
        return str(error)
    return None


def _decided(chosen: Settings) -> tuple[int, Mapping[str, Routing]]:
    """The last decision and who answers; ``_NONE`` without a database. Raises RecordsError."""
    if chosen.database_url is None:
        if not _exists(chosen):
            return _NONE, {}
        last = last_decision(chosen.records_file, _SECONDS)
        known = remembered(chosen.home / FILE) if last else None
        if last == 0:
            return _EMPTY, {}
        if known is not None and known[0] == last:
            return known
    from records.champions import routings
    from records.database import Database
    from records.engines import file_exists

    with Database.of(chosen, timeout=_SECONDS) as database:
        if database.file and not file_exists(database.file):
            return _NONE, {}
        if database.revision() is None:
            return _EMPTY, {}
        database.check()
        decision, found = routings(database)
        return decision, found or {}


@cache
def _warn(line: str) -> None:
    """Once, however often a command asks."""
    logger.warning("%s", line)


def _exists(chosen: Settings) -> bool:
    try:
        return chosen.records_file.exists()
    except OSError:
        # The database's own error says why.
        return True
