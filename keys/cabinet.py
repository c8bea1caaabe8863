"""Where keys are kept: the database, or a file in its place."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from errors import KeysError
from records.key import Key
from records.keyfile import read_keys, write_keys

if TYPE_CHECKING:
    from records.database import Database


class Cabinet(Protocol):
    """Raises KeysError for what cannot be done, RecordsError if the database cannot be used."""

    def create(self, key: Key) -> None: ...
    def revoke(self, name: str) -> None: ...
    def rotate(self, name: str, digest: bytes) -> Key: ...
    def all(self) -> list[Key]: ...
    def used_today(self) -> dict[str, int]: ...


@contextmanager
def cabinet(file: Path | None) -> Iterator[Cabinet]:
    if file is not None:
        yield _File(file)
        return
    from records.database import COMMAND_SECONDS, Database

    with Database.of(create=True, timeout=COMMAND_SECONDS) as database:
        database.prepare()
        yield _Table(database)


class _Table:
    def __init__(self, database: "Database") -> None:
        self._database = database

    def create(self, key: Key) -> None:
        from records import keys

        keys.create(self._database, key)

    def revoke(self, name: str) -> None:
        from records import keys

        keys.revoke(self._database, name)

    def rotate(self, name: str, digest: bytes) -> Key:
        from records import keys

        return keys.rotate(self._database, name, digest)

    def all(self) -> list[Key]:
        from records import keys

        return keys.all_keys(self._database)

    def used_today(self) -> dict[str, int]:
        from records import keys

        return keys.usage(self._database, datetime.now(UTC).date())


class _File:
    def __init__(self, path: Path) -> None:
        self._path = path

    def create(self, key: Key) -> None:
        keys = self.all() if self._path.exists() else []
        if any(one.name == key.name for one in keys):
            raise KeysError(f"There is a key {key.name!r} already: choose another name.")
        write_keys(self._path, [*keys, key])

    def revoke(self, name: str) -> None:
        self._change(name, lambda key: replace(key, revoked_at=datetime.now(UTC)))

    def rotate(self, name: str, digest: bytes) -> Key:
        return self._change(name, lambda key: replace(key, digest=digest))

    def all(self) -> list[Key]:
        return read_keys(self._path)

    def used_today(self) -> dict[str, int]:
        return {}

    def _change(self, name: str, change: Callable[[Key], Key]) -> Key:
        keys = self.all()
        found = next((key for key in keys if key.name == name), None)
        if found is None:
            raise KeysError(f"{self._path} has no key {name!r}.")
        if found.revoked_at is not None:
            raise KeysError(f"The key {name!r} was revoked: create one with another name.")
        changed = change(found)
        write_keys(self._path, [changed if key is found else key for key in keys])
        return changed
