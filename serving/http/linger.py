"""Closing a connection so that its client still sees the last answer."""

import asyncio
from typing import Final, Protocol

LINGER_BYTES: Final = 64 * 1024 * 1024
"""What is read, and dropped, of what a client still sends after its last answer."""

# How long is read of what a client still sends after its last answer; and when the server ends.
_SECONDS: Final = 5.0
_LAST_SECONDS: Final = 0.5


class Lingering(Protocol):
    """What the transport asks of its protocol."""

    loop: asyncio.AbstractEventLoop

    @property
    def is_sending(self) -> bool:
        """Whether the client has not sent all of a request."""

    def drop_input(self) -> None:
        """Read on, but only to drop what comes."""


class LingeringTransport:
    """A transport that reads on for a while after it is told to close before the client is done.

    To close a socket with unread data resets it, and the client may never see its answer.
    """

    __slots__ = (
        "_closing", "_protocol", "_seconds", "_transport", "abort", "get_extra_info",
        "get_write_buffer_size", "pause_reading", "resume_reading", "set_protocol", "write",
    )  # fmt: skip

    def __init__(self, transport: asyncio.Transport, protocol: Lingering) -> None:
        self._transport = transport
        self._protocol = protocol
        self._closing = False
        self._seconds = _SECONDS
        self.write = transport.write
        self.pause_reading = transport.pause_reading
        self.resume_reading = transport.resume_reading
        self.get_extra_info = transport.get_extra_info
        self.get_write_buffer_size = transport.get_write_buffer_size
        self.set_protocol = transport.set_protocol
        self.abort = transport.abort

    def is_closing(self) -> bool:
        return self._closing or self._transport.is_closing()

    def close(self) -> None:
        if self.is_closing():
            return
        self._closing = True
        if not self._protocol.is_sending or not self._transport.can_write_eof():
            self._transport.close()
            return
        self._transport.write_eof()
        self._protocol.drop_input()
        self._protocol.loop.call_later(self._seconds, self._transport.close)

    def hurry(self) -> None:
        """Read on for a short time only: the server ends."""
        self._seconds = _LAST_SECONDS
        if self._closing:
            self._protocol.loop.call_later(_LAST_SECONDS, self._transport.close)
