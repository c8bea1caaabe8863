"""Keeps a worker's keyring up to date, and adds its counts to those of the others.

The last keys that could be read stay in force, for a restart too: a copy of the database's is kept
under ``PUPILA_HOME``. So neither a database that is away nor an empty one opens a server that has
had keys, or locks out whoever has one.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime
from typing import Final

from errors import KeysError, RecordsError
from logs.lines import fields
from records.key import Key
from records.keyfile import read_keys, write_keys
from serving.background import background
from serving.fault import Fault
from serving.keys.keyring import Keyring
from serving.keys.sources import key_source
from serving.lookout import lookout
from serving.recording.connection import RecordsConnection
from settings import Settings

logger = logging.getLogger("pupila.keys")

_EVERY_SECONDS: Final = 1.0


class KeyWatch:
    """Reads the keys once a second, off the event loop."""

    def __init__(
        self, settings: Settings, records: RecordsConnection, ring: Keyring, workers: int
    ) -> None:
        self._records = records
        self._ring = ring
        self._workers = workers
        self._source = key_source(settings, records)
        self._copy = None if settings.keys_file else settings.home / "known-keys"
        # Otherwise each worker counts its share of a day alone.
        self._shared = (
            settings.keys_file is None or settings.record or settings.database_url is not None
        )
        self._fault = Fault(logger, "the keys can be read again")

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Watch until the block ends; the keys are known before it begins, if they can be."""
        await self.refresh()
        looking = lookout(
            "the check for new keys", _EVERY_SECONDS, self._read, self._follow, logger
        )
        async with looking, background(self._share()):
            yield
        await self.share_counts()

    async def refresh(self) -> None:
        """Read the keys, if they have changed. Raises nothing for keys that cannot be read."""
        keys = await asyncio.to_thread(self._read)
        if keys is not None:
            self._use(keys)

    def read_now(self) -> None:
        """``refresh`` without an event loop. Raises KeysError for a file that cannot be read."""
        keys = self._read(strict=True)
        if keys is not None:
            self._use(keys)

    async def _follow(self, keys: list[Key]) -> None:
        self._use(keys)

    async def _share(self) -> None:
        while True:
            await asyncio.sleep(_EVERY_SECONDS)
            try:
                await self.share_counts()
            except Exception:
                logger.exception("what the keys were used for was not counted; it will be")

    def _use(self, keys: list[Key]) -> None:
        if self._ring.is_read:
            _tell_changes([caller.key for caller in self._ring.callers()], keys)
        self._ring.replace(keys, self._workers, counts_are_shared=self._shared)

    def _read(self, *, strict: bool = False) -> list[Key] | None:
        """The keys to use from now on; None for those that are used already."""
        try:
            keys = self._source.read()
        except (KeysError, RecordsError) as error:
            if strict and isinstance(error, KeysError):
                raise
            self._fault.is_now(
                f"the keys cannot be read, so those known before stay in force: {error}"
            )
            return None if self._ring.is_read else self._known_before()
        if keys:
            self._fault.is_now("")
            self._remember(keys)
            return keys
        if keys is None or self._ring.callers():
            # Rows are never deleted, so a table without any is that of another database.
            return None
        before = self._known_before()
        if before is not None:
            self._fault.is_now(
                "the database has no keys, but this server had some, which stay in force until one "
                f"is created or {self._copy} is deleted"
            )
        return keys if before is None else before

    def _known_before(self) -> list[Key] | None:
        """Those of the last time that this server, or another on its disk, could read them."""
        if self._copy is None or not self._copy.exists():
            return None
        self._ring.closed = True
        try:
            return read_keys(self._copy)
        except KeysError as error:
            logger.warning("the copy of the keys is lost: %s", error)
            return []

    def _remember(self, keys: list[Key]) -> None:
        if self._copy is None:
            return
        try:
            write_keys(self._copy, keys)
        except KeysError as error:
            logger.warning("a restart without the database would know no keys: %s", error)

    async def share_counts(self) -> None:
        """Add this worker's to the database's, and learn those of the others, if it is there."""
        callers = self._ring.callers()
        if not self._shared or not callers:
            return
        today = datetime.now(UTC).date()
        taken = {caller: new for caller in callers if (new := caller.take_new())}
        if not taken and all(caller.key.daily is None for caller in callers):
            return
        try:
            counts = {caller.key.name: new for caller, new in taken.items()}
            totals = await asyncio.to_thread(self._add, today, counts)
        except RecordsError:
            # Whoever reads the keys says that the database is away.
            for caller, new in taken.items():
                caller.give_back(new)
            return
        for caller in callers:
            caller.counted(today, totals.get(caller.key.name, 0))

    def _add(self, today: date, counts: Mapping[str, int]) -> dict[str, int]:
        from records.keys import add_usage

        with self._records.open() as database:
            return add_usage(database, today, counts)


def _tell_changes(before: list[Key], now: list[Key]) -> None:
    known = {key.name: key for key in before}
    for key in now:
        past = known.get(key.name)
        if past == key:
            continue
        if key.revoked_at is not None:
            event = "a key was revoked"
        elif past is None:
            event = "a key was created"
        else:
            event = "a key was replaced" if past.digest != key.digest else "a key was changed"
        logger.info(event, extra=fields(key=key.name, scopes=list(key.scopes)))
    for name in known.keys() - {key.name for key in now}:
        logger.info("a key is gone", extra=fields(key=name))


def opening(settings: Settings) -> str:
    """What a server that starts now says of its keys. Raises KeysError for a broken file."""
    ring = Keyring(required=settings.is_closed)
    records = RecordsConnection(settings, tells=False)
    try:
        KeyWatch(settings, records, ring, 1).read_now()
    finally:
        records.close()
    create = "create one with: python -m keys create"
    if not ring.closed:
        return (
            "No keys: anyone who reaches this port may predict and label; operators' routes answer "
            f"on loopback only. To close it, {create}"
        )
    if not ring.is_read:
        return "Keys are required, but cannot be read now: nobody gets in until they can."
    usable = sum(caller.key.revoked_at is None for caller in ring.callers())
    if not usable:
        return f"Keys are required, and there is none that may be used: {create}"
    return f"Keys are required: {usable} may be used."
