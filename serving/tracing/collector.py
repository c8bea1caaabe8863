"""Sends one request to a collector, within a time and whatever it does.

``http.client`` over a socket of ours: each read has what is left of the time, an answer is read up
to a size, and a redirect, to whoever the collector likes, is not followed. Libraries of clients
bound neither the size of an answer nor the time that all of it may take. No proxy is used.
"""

import io
import socket
import ssl
import time
from collections.abc import Mapping
from http import HTTPStatus
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import Final, NamedTuple, cast
from urllib.parse import urlsplit

_PATH: Final = "/v1/traces"
_MOST_BYTES: Final = 65_536

# https://opentelemetry.io/docs/specs/otlp/#retryable-response-codes
_RETRYABLE: Final = {
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
}


class Sent(NamedTuple):
    """What became of a request. ``fault``: empty if the collector took it, otherwise a clause that
    says why it did not; ``again``: whether it may later, after ``wait`` seconds; ``answer``: what
    it said if it took it."""

    fault: str = ""
    again: bool = False
    wait: float = 0.0
    answer: bytes = b""


class Collector:
    """At ``endpoint``, an ``http`` or ``https`` URL; ``/v1/traces`` is added to one whose path ends
    otherwise than in ``/traces``."""

    def __init__(
        self, endpoint: str, headers: Mapping[str, str], ca_file: Path | None = None
    ) -> None:
        """Raises OSError or ValueError for an endpoint or a file that cannot be used."""
        url = urlsplit(endpoint)
        if not url.hostname:
            raise ValueError("it names no host")
        self._host = url.hostname
        is_secret = url.scheme == "https"
        self._port = url.port or (443 if is_secret else 80)
        self._tls = ssl.create_default_context(cafile=ca_file) if is_secret else None
        path = url.path if url.path.endswith("/traces") else url.path.rstrip("/") + _PATH
        lines = [
            f"POST {path} HTTP/1.1",
            f"Host: {url.netloc}",
            "Content-Type: application/x-protobuf",
            "User-Agent: pupila",
            "Connection: close",
            *(f"{name}: {value}" for name, value in headers.items()),
        ]
        self._head = "\r\n".join(lines).encode()

    def send(self, content: bytes, seconds: float) -> Sent:
        """Post ``content``, an encoded request, and wait for the answer; raises nothing."""
        until = time.monotonic() + seconds
        try:
            with socket.create_connection((self._host, self._port), seconds) as plain:
                if self._tls is None:
                    return _asked(plain, self._head, content, until)
                with self._tls.wrap_socket(plain, server_hostname=self._host) as secret:
                    return _asked(secret, self._head, content, until)
        except TimeoutError:
            return Sent(f"it did not answer within {seconds:g} seconds", again=True)
        except ssl.SSLCertVerificationError as error:
            return Sent(f"its certificate is not trusted: {error.verify_message}", again=True)
        except (OSError, UnicodeError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            return Sent(f"it cannot be reached: {reason}", again=True)
        except (HTTPException, ValueError):
            return Sent("its answer is not HTTP", again=True)


def _asked(connection: socket.socket, head: bytes, content: bytes, until: float) -> Sent:
    connection.settimeout(_left(until))
    length = b"\r\nContent-Length: %d\r\n\r\n" % len(content)
    connection.sendall(head + length + content)
    # It needs nothing of a socket but this.
    response = HTTPResponse(cast("socket.socket", _Answer(connection, until)), method="POST")
    response.begin()
    status = response.status
    if status in range(200, 300):
        try:
            return Sent(answer=response.read(_MOST_BYTES))
        except (OSError, ValueError, HTTPException):
            # It has said that it took them.
            return Sent()
    wait = response.getheader("retry-after", "")
    seconds = float(wait) if wait.isdecimal() and len(wait) < 6 else 0.0
    return Sent(f"it answered with status {status}", status in _RETRYABLE, seconds)


class _Answer(io.RawIOBase):
    """The answer, as long as there is time."""

    def __init__(self, connection: socket.socket, until: float) -> None:
        self._connection = connection
        self._until = until

    def makefile(self, *_: object) -> io.BufferedReader:
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "bytearray | memoryview") -> int:  # type: ignore[override]
        self._connection.settimeout(_left(self._until))
        return self._connection.recv_into(buffer)


def _left(until: float) -> float:
    """Seconds until then; raises TimeoutError if there are none."""
    seconds = until - time.monotonic()
    if seconds <= 0:
        raise TimeoutError
    return seconds
