"""Fetches an image from an address that may be asked, within limits of time and size."""

import contextlib
import http.client
import socket
import ssl
import threading
import time
from typing import Final
from urllib.parse import urljoin

from errors import ImageError
from serving.labelstudio.addresses import Allowed, Place

MAX_SECONDS: Final = 10.0
MAX_REDIRECTS: Final = 3
_CONNECT_SECONDS: Final = 3.0
_PIECE: Final = 65_536
_MOVED: Final = (301, 302, 303, 307, 308)
_OK: Final = 200
# Label Studio answers 406 to image/* alone, whatever the file is.
_ACCEPT: Final = "image/*, */*;q=0.5"


class _Connection(http.client.HTTPConnection):
    """To an address that was checked, whatever its host's name resolves to by now."""

    def __init__(self, place: Place) -> None:
        super().__init__(place.host, place.port, timeout=_CONNECT_SECONDS)
        self._place = place
        self._made: socket.socket | None = None

    def connect(self) -> None:
        place = self._place
        made = socket.create_connection((place.address, place.port), _CONNECT_SECONDS)
        self._made = made
        if place.scheme == "https":
            context = ssl.create_default_context()
            made = context.wrap_socket(made, server_hostname=place.host)
        # A busy host may think; the watch ends it in time.
        made.settimeout(MAX_SECONDS)
        self.sock = self._made = made

    def close(self) -> None:
        super().close()
        if self._made is not None:
            self._made.close()

    def give_up(self) -> None:
        """From another thread: whoever reads ends now."""
        if self._made is not None:
            with contextlib.suppress(OSError):
                self._made.shutdown(socket.SHUT_RDWR)


def fetch(
    url: str,
    allowed: Allowed,
    max_bytes: int,
    authorization: str = "",
    content: bytes | None = None,
) -> bytes:
    """The content of a URL. Blocks; call it on a thread.

    ``authorization``: sent to the URL's own host alone, and not where it redirects to; ``content``:
    JSON that is posted, likewise. Raises ImageError, with the reason alone.
    """
    ends = time.monotonic() + MAX_SECONDS
    first = allowed.place(url)
    for _ in range(MAX_REDIRECTS + 1):
        place = allowed.place(url)
        headers = {"Accept": _ACCEPT, "User-Agent": "pupila", "Connection": "close"}
        if authorization and (place.scheme, place.host, place.port) == first[:3]:
            headers["Authorization"] = authorization
        connection = _Connection(place)
        # A host that sends a byte every second would never time out.
        watch = threading.Timer(max(0.0, ends - time.monotonic()), connection.give_up)
        watch.daemon = True
        watch.start()
        try:
            if content is None:
                connection.request("GET", place.target, headers=headers)
            else:
                headers |= {"Accept": "*/*", "Content-Type": "application/json"}
                connection.request("POST", place.target, content, headers)
            with connection.getresponse() as answer:
                if content is not None or answer.status not in _MOVED:
                    return _content(answer, max_bytes, ends)
                url = urljoin(url, answer.getheader("Location", ""))
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise ImageError(f"it cannot be fetched: {error or type(error).__name__}") from None
        finally:
            watch.cancel()
            connection.close()
    raise ImageError(f"it is redirected more than {MAX_REDIRECTS} times")


def _content(answer: http.client.HTTPResponse, max_bytes: int, ends: float) -> bytes:
    if answer.status != _OK:
        raise ImageError(f"its host answered {answer.status}")
    pieces: list[bytes] = []
    size = 0
    while True:
        piece = answer.read1(_PIECE)
        if time.monotonic() >= ends:
            raise ImageError(f"it did not arrive within {MAX_SECONDS:.0f} seconds")
        if not piece:
            return b"".join(pieces)
        size += len(piece)
        if size > max_bytes:
            raise ImageError(f"it is larger than the {max_bytes} bytes allowed")
        pieces.append(piece)
