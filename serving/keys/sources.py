"""Where a server's keys come from: the database, or a file in its place."""

from pathlib import Path
from typing import Final, Protocol

from records.key import Key
from records.keyfile import read_keys
from serving.recording.connection import RecordsConnection
from settings import Settings

# A change is found by its number, which another database may have too: so all keys are read again
# after so many looks.
_LOOKS: Final = 30


class KeySource(Protocol):
    """``read`` blocks; call it on a thread."""

    def read(self) -> list[Key] | None:
        """All keys, or None if they are those of the last time.

        Raises KeysError or RecordsError if they cannot be read.
        """


def key_source(settings: Settings, records: RecordsConnection) -> KeySource:
    if settings.keys_file is not None:
        return KeysFile(settings.keys_file)
    return KeysTable(settings, records)


class KeysTable:
    """The keys in the database."""

    def __init__(self, settings: Settings, records: RecordsConnection) -> None:
        self._settings = settings
        self._records = records
        self._version = -1
        self._looks = 0

    def read(self) -> list[Key] | None:
        if not self._has_database():
            version, keys = 0, []
        else:
            from records.keys import changed_keys

            self._looks += 1
            known = -1 if self._looks % _LOOKS == 0 else self._version
            with self._records.open() as database:
                version, found = changed_keys(database, known)
            if found is None:
                return None
            keys = found
        if version == self._version == 0:
            return None
        self._version = version
        return keys

    def _has_database(self) -> bool:
        """Where neither records nor keys were ever kept, SQLAlchemy need not be loaded."""
        settings = self._settings
        if settings.record or settings.database_url is not None:
            return True
        return settings.records_file.exists()


class KeysFile:
    """The keys in a file, which is read again when it changes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read: tuple[int, ...] | None = None

    def read(self) -> list[Key] | None:
        seen = self._identity()
        if seen is not None and seen == self._read:
            return None
        keys = read_keys(self._path)
        # Only once it could be read: while it is broken, each try says so again.
        self._read = seen
        return keys

    def _identity(self) -> tuple[int, ...] | None:
        try:
            status = self._path.stat()
        except OSError:
            return None
        return status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size
