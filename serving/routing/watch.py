"""Keeps a worker up to date about who answers, and tells the others what it can answer with.

What was known last stays in force: a database that is away changes nothing, nor does one without
any decision in place of one that had some. It outlives a restart in a file under ``PUPILA_HOME``.
"""

import asyncio
import logging
import os
import socket
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from secrets import token_hex
from typing import Final

from errors import RecordsError
from records.remembered import FILE, remember, remembered
from records.routing import Routing
from serving.background import background
from serving.fault import Fault
from serving.lookout import lookout
from serving.recording.connection import RecordsConnection
from serving.routing.registry import Registry
from settings import Settings

logger = logging.getLogger("pupila.routing")

_EVERY_SECONDS: Final = 0.5
_REPORT_SECONDS: Final = 5.0
# Whether there is something to report is no question to the database.
_CHANGED_SECONDS: Final = 1.0

_NOTHING: Final = -1
"""The number before that of any decision, known or not."""


class RoutingWatch:
    """Reads the aliases twice a second, off the event loop.

    A server without records and without a database of its own has no aliases: newest versions
    answer.
    """

    def __init__(self, settings: Settings, records: RecordsConnection, registry: Registry) -> None:
        self._records = records
        self._registry = registry
        self._on = settings.record or settings.database_url is not None
        self._path = settings.home / FILE
        self._id = f"{socket.gethostname()[:80]}:{os.getpid()}:{token_hex(4)}"
        self._known: tuple[int, Mapping[str, Routing]] | None = None
        # What the database has: lower than what is known if it lost something.
        self._seen = _NOTHING
        self._acts_on = 0
        self._reported: tuple[int, frozenset[str]] | None = None
        self._reported_at = 0.0
        self._fault = Fault(logger, "the aliases can be read again")

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Watch until the block ends, and then sign off."""
        if not self._on:
            yield
            return
        await self.report()
        looking = lookout(
            "the check of the aliases", _EVERY_SECONDS, self._read, self._follow_and_report, logger
        )
        async with looking, background(self._keep_reporting()):
            yield
        await asyncio.to_thread(self._sign_off)

    async def refresh(self) -> None:
        """Read who answers, if anything was decided, and have the registry follow. Raises nothing
        for a database that is away."""
        if not self._on:
            return
        found = await asyncio.to_thread(self._read)
        if found is not None:
            await self._follow(found)

    async def _follow(self, found: tuple[int, Mapping[str, Routing]]) -> None:
        self._known = found
        # One that was saved and promoted a moment ago is in the store already.
        await self._registry.look_for(found[1].values())
        await self._registry.champions.follow(found[1])

    async def _follow_and_report(self, found: tuple[int, Mapping[str, Routing]]) -> None:
        await self._follow(found)
        await self.report()

    async def report(self) -> None:
        """Say that this worker is alive, if something has changed or it is time."""
        if self._known is not None and self._registry.champions.settled:
            self._acts_on = self._known[0]
        state = self._acts_on, frozenset(self._registry.usable())
        now = time.monotonic()
        if state == self._reported and now - self._reported_at < _REPORT_SECONDS:
            return
        if await asyncio.to_thread(self._report, *state):
            self._reported, self._reported_at = state, now

    async def _keep_reporting(self) -> None:
        while True:
            await asyncio.sleep(_CHANGED_SECONDS)
            try:
                await self.report()
            except Exception:
                logger.exception("the others were not told that this worker is alive")

    def _read(self) -> tuple[int, Mapping[str, Routing]] | None:
        """What to follow from now on; None for what is followed already."""
        from records.champions import routings

        try:
            with self._records.open() as database:
                decision, found = routings(database, self._seen)
        except RecordsError as error:
            self._fault.is_now(
                f"the aliases cannot be read, so those known before stay in force: {error}"
            )
            return self._from_before() if self._known is None else None
        if found is None:
            self._fault.is_now("")
            return None
        self._seen = decision
        if decision:
            self._fault.is_now("")
            self._remember(decision, found)
            return decision, found
        before = self._known or self._from_before()
        if before is None or not before[0]:
            self._fault.is_now("")
            return decision, found
        # Decisions are never deleted, so this is another database, or it has lost them.
        self._fault.is_now(
            "the database has no decisions, but this server knew some, which stay in force until "
            f"one is made or the server is started without {self._path}"
        )
        return before if self._known is None else None

    def _from_before(self) -> tuple[int, Mapping[str, Routing]] | None:
        """What this server, or another on its disk, knew last."""
        return remembered(self._path)

    def _remember(self, decision: int, found: Mapping[str, Routing]) -> None:
        try:
            remember(self._path, decision, found)
        except OSError as error:
            logger.warning(
                "a restart without the database would not know the aliases: %s cannot be written: "
                "%s",
                self._path,
                error.strerror,
            )

    def _report(self, decision: int, versions: frozenset[str]) -> bool:
        from records.workers import report

        try:
            with self._records.open() as database:
                report(database, self._id, decision, versions)
        except RecordsError:
            # Whoever reads the aliases says that the database is away.
            return False
        return True

    def _sign_off(self) -> None:
        from records.workers import sign_off

        try:
            with self._records.open() as database:
                sign_off(database, self._id)
        except RecordsError as error:
            logger.info("this worker could not sign off: %s", error)
