"""The keys that servers accept, and how often each was used on a day."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any, Final

from sqlalchemy import Connection, Row, insert, select, text, update

from errors import KeysError
from records.adding import adding
from records.audit import COMMAND_LINE, Act, add_acts
from records.database import Database
from records.key import Key, Scope
from records.number import number, read_number
from records.schema import key_usage, keys

Usage = Mapping[str, int]
"""Images and labels by the name of the key that asked or sent."""

_LAST_CHANGE: Final = f"SELECT max(version) FROM {keys.name}"  # noqa: S608 - no value of anybody's


def create(database: Database, key: Key) -> None:
    """Keep a new key. Raises KeysError if its name is taken, even by one that was revoked."""
    with database.writing() as connection:
        version = _next_version(connection)
        if _find(connection, key.name) is not None:
            raise KeysError(
                f"There is a key {key.name!r} already: choose another name, or give that key a new "
                "secret with python -m keys rotate."
            )
        connection.execute(insert(keys).values(**_row(key), version=version))
        what = " ".join(key.scopes)
        add_acts(connection, [Act(COMMAND_LINE, "create key", key.name, what)])


def revoke(database: Database, name: str) -> None:
    """From the next check of each server, nobody gets in by it. Raises KeysError."""
    with database.writing() as connection:
        version = _next_version(connection)
        _active(connection, name)
        _set(connection, name, revoked_at=datetime.now(UTC), version=version)
        add_acts(connection, [Act(COMMAND_LINE, "revoke key", name)])


def rotate(database: Database, name: str, digest: bytes) -> Key:
    """Give a key another secret; the old one ends. Raises KeysError."""
    with database.writing() as connection:
        version = _next_version(connection)
        key = replace(_active(connection, name), digest=digest)
        _set(connection, name, sha256=digest.hex(), version=version)
        add_acts(connection, [Act(COMMAND_LINE, "rotate key", name)])
    return key


def all_keys(database: Database) -> list[Key]:
    """Every key there ever was, by name; rows are never deleted."""
    with database.reading() as connection:
        rows = connection.execute(select(keys).order_by(keys.c.name))
        return [_key(row) for row in rows]


def changed_keys(database: Database, known: int) -> tuple[int, list[Key] | None]:
    """The number of the last change, and all keys unless that is the ``known`` one.

    Every second by every worker, so that without a change one entry of an index is read. 0 is the
    number of a database that never had a key.
    """
    if known >= 0 and read_number(database, _LAST_CHANGE) == known:
        return known, None
    with database.reading() as connection:
        version = number(connection, _LAST_CHANGE)
        return version, [_key(row) for row in connection.execute(select(keys))]


def add_usage(database: Database, day: date, counts: Usage) -> dict[str, int]:
    """Add to the counts of a day; returns what they are now, of all keys and servers."""
    # In one order: two writers that lock the same rows in different orders deadlock.
    values = [
        {"day": day, "name": name, "count": count}
        for name, count in sorted(counts.items())
        if count
    ]
    if not values:
        return usage(database, day)
    with database.writing() as connection:
        connection.execute(adding(key_usage, connection.dialect.name), values)
        return _usage(connection, day)


def usage(database: Database, day: date) -> dict[str, int]:
    """How much each key was used on a day, UTC, as far as servers have written it."""
    with database.reading() as connection:
        return _usage(connection, day)


def _usage(connection: Connection, day: date) -> dict[str, int]:
    statement = select(key_usage.c.name, key_usage.c.count).where(key_usage.c.day == day)
    return {row["name"]: row["count"] for row in connection.execute(statement).mappings()}


def _next_version(connection: Connection) -> int:
    """The number of a new change; the lock keeps two from getting the same."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('pupila.keys'))"))
    return number(connection, _LAST_CHANGE) + 1


def _find(connection: Connection, name: str) -> Key | None:
    row = connection.execute(select(keys).where(keys.c.name == name)).one_or_none()
    return None if row is None else _key(row)


def _active(connection: Connection, name: str) -> Key:
    key = _find(connection, name)
    if key is None:
        raise KeysError(f"There is no key {name!r}; see: python -m keys list.")
    if key.revoked_at is not None:
        raise KeysError(f"The key {name!r} was revoked: create one with another name.")
    return key


def _set(connection: Connection, name: str, **values: object) -> None:
    connection.execute(update(keys).where(keys.c.name == name).values(**values))


def _row(key: Key) -> dict[str, Any]:
    return {
        "name": key.name,
        "sha256": key.digest.hex(),
        "scopes": " ".join(key.scopes),
        "models": None if key.models is None else json.dumps(key.models),
        "rate": key.rate,
        "daily": key.daily,
        "created_at": key.created_at,
        "expires_at": key.expires_at,
        "revoked_at": key.revoked_at,
    }


def _key(row: Row[Any]) -> Key:
    # A scope that only a newer Pupila knows is one that this server cannot give.
    known: dict[str, Scope] = {
        "predict": "predict", "label": "label", "read": "read", "operate": "operate",
    }  # fmt: skip
    return Key(
        name=row.name,
        digest=bytes.fromhex(row.sha256),
        scopes=tuple(known[scope] for scope in row.scopes.split() if scope in known),
        created_at=row.created_at,
        models=None if row.models is None else tuple(json.loads(row.models)),
        rate=row.rate,
        daily=row.daily,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
    )
