"""The connections of a worker that shares them with others; which, ``spreading.py`` decides."""

import asyncio
import contextlib
from collections.abc import Iterator
from typing import ClassVar

from serving.http.guard import State
from serving.http.protocol import HttpProtocol
from serving.http.spreading import Spreading


class SharedProtocol(HttpProtocol):
    """A connection that may be passed on before anything of it is read, or between requests."""

    __slots__ = ("_is_here", "_stays")

    is_given: ClassVar[bool] = False

    spreading: ClassVar[Spreading | None] = None

    @classmethod
    @contextlib.contextmanager
    def serving(cls, workers: int) -> Iterator[None]:
        """While the server of this process runs."""
        cls.listen()
        cls.spreading = spreading = Spreading.of_this_worker(
            workers, cls.limits.room, GivenProtocol
        )
        try:
            yield
        finally:
            cls.spreading = None
            if spreading is not None:
                spreading.close()

    @classmethod
    def join(cls) -> None:
        """Called when it can answer, which is before it accepts by itself."""
        if cls.spreading is not None:
            cls.spreading.join()

    @classmethod
    def leave(cls) -> None:
        """Called when it is about to end, which may be before it could answer."""
        if cls.spreading is not None:
            cls.spreading.leave()
            cls.spreading = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        spreading = self.spreading
        self._stays = False
        self._is_here = spreading is None or self.is_given or not spreading.pass_on(transport)
        if not self._is_here:
            # Only its descriptor here: the other worker has one of its own.
            transport.abort()
            return
        super().connection_made(transport)
        if spreading is not None:
            spreading.count()

    def asks(self, since: float) -> bool:
        """Whether it waits for an answer, or had one ``since`` then, in the event loop's seconds.
        One that sends nothing, or slowly, is no load."""
        if self.state is State.IDLE:
            return self.cycle is not None and self.since >= since
        return self.state is State.BUSY

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.spreading is not None and self.spreading.has_surplus:
            if self._stays:
                # The answer is not written before the end of this turn.
                self.loop.call_soon(self._move)
            # Whoever asks a second time is likely to go on.
            self._stays = True

    def _move(self) -> None:
        transport = self.transport
        if (
            self.spreading is not None
            and self.state is State.IDLE
            and not self.is_waiting
            and not transport.is_closing()
            and not transport.get_write_buffer_size()
            and self.spreading.move(transport)
        ):
            # What the client sends from now on is for the other worker to read.
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._is_here:
            super().connection_lost(exc)
            if self.spreading is not None:
                self.spreading.count()


class GivenProtocol(SharedProtocol):
    """A connection that another worker has passed on: it stays here until it has asked, or two
    workers that count differently would give it to one another."""

    __slots__ = ()

    is_given = True
