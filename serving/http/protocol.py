"""HTTP/1.1 for a server that strangers can reach, on top of uvicorn's protocol.

By itself, uvicorn reads headers of any size for as long as it takes, answers what it cannot parse
in plain text, skips the body of a request that asks for an upgrade and then reads it as the next
request, and closes a connection with unread data, which resets it before the client has its answer.
Here the headers of a request have limits, every error is ``{"detail": …}``, an upgrade is ignored,
and what a client still sends after its last answer is read and dropped for a while.
"""

import asyncio
from typing import Any, ClassVar, Final

import httptools
from uvicorn.config import Config
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware
from uvicorn.server import ServerState

from errors import BodyTimeoutError, OverloadedError, RequestError
from serving.http.bounded import BoundedProtocol, StopParser
from serving.http.direct import DIRECT_BYTES, DirectBody, end_for_parser
from serving.http.guard import Guard, Limits, State
from serving.http.head import (
    CHUNKED,
    END,
    MAX_HEAD_BYTES,
    asks_for_upgrade,
    body_length,
    fault_of_start,
    not_http,
    too_many_chunks,
    without_upgrade,
)
from serving.http.linger import LINGER_BYTES, LingeringTransport
from serving.http.reply import error_reply

# How long a body that is still arriving when the server ends has until it is given up.
_LAST_BODY_SECONDS: Final = 2.0


class HttpProtocol(BoundedProtocol):
    """One connection.

    The parser gets the headers of a request only once they are complete and checked, and nothing
    after its body, so that it never reads across the end of a request by itself.
    """

    # With as many as these in the instance's dictionary, Python would give up sharing its keys with
    # those of the other connections: 2 KB more for each, which are in no cache when it is read.
    __slots__ = (
        "_body_left", "_dropped", "_ended", "_guard", "_had_last", "_head", "_in_head",
        "_lingering", "since", "state",
    )  # fmt: skip

    limits: ClassVar[Limits]
    _guards: ClassVar[dict[asyncio.AbstractEventLoop, Guard]] = {}

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        if isinstance(self.app, ProxyHeadersMiddleware):
            # It finds out who is behind a proxy, in 4 µs, and nobody asks: where that matters, the
            # gate refuses what came through one.
            self.app = self.app.app
        guard = self._guards.get(self.loop)
        if guard is None:
            guard = self._guards[self.loop] = Guard(self.limits, self.loop)
        self._guard = guard
        self.state = State.IDLE
        self.since = guard.now
        self._head = b""
        self._in_head = True
        self._body_left = 0
        self._ended = False
        self._had_last = False
        self._dropped = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._lingering = LingeringTransport(transport, self)
        super().connection_made(self._lingering)
        if not self._guard.admit(self):
            self._end(OverloadedError("The server has no free connection; try again.", "capacity"))

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended = True
        self._guard.forget(self)
        super().connection_lost(exc)

    def eof_received(self) -> bool | None:  # type: ignore[override]
        """A client may close its side and still wait for its answer."""
        cycle = self.cycle
        if self._ended or cycle is None or cycle.response_complete or not self._in_head:
            return None
        cycle.keep_alive = False
        return True

    @property
    def is_sending(self) -> bool:
        """Whether the client has not sent all of a request."""
        return self._ended or not self._in_head or bool(self._head)

    def drop_input(self) -> None:
        """Read on, but only to drop what comes."""
        self._ended = True
        self._enter(State.BUSY)
        self.forget_waiting()
        self.flow.resume_reading()

    def read(self, data: bytes) -> bytes:
        most = len(data) - MAX_HEAD_BYTES
        while data and not (self._ended or self._had_last):
            if not self._in_head:
                data = self._read_body(data)
            elif self.is_full or len(data) < most:
                return data
            else:
                data = self._read_head(data)
                if self._body_left > DIRECT_BYTES and not self._ended:
                    # It waits a turn, for whoever may want it past the parser.
                    return data
        if data:
            self._dropped += len(data)
            if self._dropped > LINGER_BYTES:
                self.transport.abort()
        return b""

    def _read_head(self, data: bytes) -> bytes:
        """Take the headers of a request, and of its body what is there; returns what is after."""
        known = len(self._head)
        if known:
            data = self._head + data
        elif data[:1] in b"\r\n":
            data = data.lstrip(b"\r\n")
        end = data.find(END, max(0, known - len(END)))
        if end < 0 or end > MAX_HEAD_BYTES - len(END):
            self._wait_for_head(data)
            return b""
        end += len(END)
        self._head = b""
        head = data[:end].lower()
        try:
            self._body_left = body_length(head)
        except RequestError as fault:
            self._end(fault)
            return data[end:]
        self._in_head = False
        if self._body_left == CHUNKED or asks_for_upgrade(head):
            self._feed(without_upgrade(data[:end]))
        else:
            # One call for all of a request, as most arrive.
            whole = end + self._body_left
            end = end_for_parser(end, whole, len(data))
            self._body_left = whole - end
            self._feed(data if end == len(data) else data[:end])
        if not self._in_head and not self._ended:
            self._enter(State.BODY)
        return data[end:]

    def _wait_for_head(self, head: bytes) -> None:
        fault = fault_of_start(head)
        if fault is not None:
            self._end(fault)
        elif head:
            if not self._head:
                self._enter(State.HEAD)
            self._head = head

    def _read_body(self, data: bytes) -> bytes:
        """Take the body of a request out of the data; returns what is after it."""
        left = self._body_left
        if not left:
            # The parser waits for a body where there is none: it would do so for ever.
            self._end(not_http())
            return data
        if left == CHUNKED or len(data) <= left:
            body, rest = data, b""
        else:
            body, rest = data[:left], data[left:]
        if left != CHUNKED:
            self._body_left = left - len(body)
        self._feed(body)
        return rest

    def _feed(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            if not self._ended:
                self._end(not_http() if self.has_few_chunks else too_many_chunks())

    def receive_directly(self, start: bytes, size: int) -> DirectBody | None:
        """A body of ``size`` bytes whose rest goes past the parser; None if that has to see it."""
        left = size - len(start)
        if self._in_head or self._ended or self.cycle.body or left != self._body_left:
            return None
        if len(self._waiting) >= left:
            return None
        self.flow.pause_reading()
        body = DirectBody(self, self.cycle, start, self._waiting, size)
        self.forget_waiting()
        self.transport.set_protocol(body)
        return body

    def body_complete(self) -> None:
        self.transport.set_protocol(self)
        self._body_left = 0
        self.on_message_complete()
        self.renew_parser()

    def body_given_up(self) -> None:
        self.transport.set_protocol(self)
        self._had_last = True
        self.cycle.keep_alive = False
        self.flow.resume_reading()

    def on_message_begin(self) -> None:
        if self._in_head:
            # The next request, in one packet with the last chunk of this one, of which only the
            # parser knows where it ends: this one is answered, and the client asks again.
            self._close_after_answers()
            raise StopParser
        super().on_message_begin()

    def on_message_complete(self) -> None:
        if self._ended:
            return
        self._in_head = True
        # The client has said that it sends no other, and the parser takes nothing in any more.
        self._had_last = not self.parser.should_keep_alive()
        super().on_message_complete()
        self._rest()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._rest()

    def _rest(self) -> None:
        """Note what the connection does once a request is complete, or answered."""
        if self._ended or not self._in_head or self._head:
            return
        if self.cycle.response_complete and not self.pipeline:
            self.state = State.IDLE
        else:
            self.state = State.BUSY
        self.since = self._guard.now

    def _enter(self, state: State) -> None:
        self.state = state
        self.since = self._guard.now

    def time_out(self) -> None:
        what = "body" if not self._in_head else "head"
        self._end(BodyTimeoutError(f"The {what} of the request did not arrive in time."))

    def shutdown(self) -> None:
        """The server ends: answer what was asked, and give up what does not arrive soon."""
        self._lingering.hurry()
        if not self._in_head:
            self.loop.call_later(_LAST_BODY_SECONDS, self._give_up)
        super().shutdown()

    def _give_up(self) -> None:
        if not self._in_head and not self._ended:
            self._end(OverloadedError("The server is shutting down; send it again.", "shutdown"))

    def close_idle(self) -> None:
        self.transport.close()

    def _end(self, error: RequestError) -> None:
        """Answer a request that cannot be read with an error, and read no other."""
        unread = not self._in_head
        waiting = self.cycle is not None and not self.cycle.response_complete
        if waiting and (not unread or self.pipeline):
            # An earlier request is being answered, and answers keep their order.
            self._close_after_answers()
            return
        self._ended = True
        self._enter(State.BUSY)
        if waiting:
            # The application is reading this body; nothing that it sends goes out any more.
            started = self.cycle.response_started
            self.cycle.disconnected = True
            self.cycle.message_event.set()
            if started:
                self.transport.close()
                return
        self.transport.write(error_reply(error).last(self.server_state.default_headers))
        self.transport.close()

    def _close_after_answers(self) -> None:
        self._ended = True
        self._enter(State.BUSY)
        for cycle, _ in self.pipeline:
            cycle.keep_alive = False
        if not self.pipeline:
            self.cycle.keep_alive = False
