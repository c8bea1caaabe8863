"""A request as bytes, before a parser reads it: which headers are refused, and changed."""

import re
from typing import Final

from errors import BadRequestError, HeadTooLargeError, RequestError

MAX_HEAD_BYTES: Final = 32_768
MAX_HEADERS: Final = 100
END: Final = b"\r\n\r\n"

CHUNKED: Final = -1
"""The length of a body that is told by its chunks."""

_UPGRADES: Final = re.compile(
    rb"\r\n(?:upgrade|http2-settings):[^\r\n]*|(?<=\r\nconnection:)[^\r\n]*\bupgrade\b[^\r\n]*",
    re.IGNORECASE,
)
_ENCODINGS: Final = re.compile(rb"\r\ntransfer-encoding:[ \t]*([^\r\n]*?)[ \t]*\r\n")
_LENGTH: Final = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,18})[ \t]*\r\n")


def too_large() -> HeadTooLargeError:
    return HeadTooLargeError(
        f"The headers are larger than {MAX_HEAD_BYTES} bytes or more than {MAX_HEADERS}."
    )


def not_http() -> BadRequestError:
    return BadRequestError("The request is not valid HTTP/1.1.")


def too_many_chunks() -> BadRequestError:
    return BadRequestError("The body comes in too many chunks of a few bytes.")


def fault_of_start(head: bytes) -> RequestError | None:
    """Why headers that are not complete yet cannot become those of a request."""
    if len(head) > MAX_HEAD_BYTES or head.count(b"\n") > MAX_HEADERS + 1:
        return too_large()
    # What cannot become a request, such as TLS, is not waited for.
    if head and (not head[:1].isalpha() or b"\n" in head.replace(b"\r\n", b"")):
        return not_http()
    return None


def body_length(head: bytes) -> int:
    """How long the body is that follows complete headers in lower case; CHUNKED if chunks say it.

    Raises RequestError for what is wrong with them although the parser would accept it.
    """
    if head.count(b"\n") > MAX_HEADERS + 2:
        raise too_large()
    # The parser takes HTTP/0.9 too, and would never find the end of its body.
    version = head[: head.find(b"\r\n")][-len(b" http/1.1") :]
    if version not in (b" http/1.1", b" http/1.0"):
        raise not_http()
    hosts = head.count(b"\r\nhost:")
    chunked = b"\r\ntransfer-encoding:" in head
    if hosts != 1 or chunked:
        is_old = version == b" http/1.0"
        if hosts > 1 or (hosts == 0 and not is_old):
            raise BadRequestError(f"A request has one Host header, not {hosts}.")
        if chunked and (is_old or _ENCODINGS.findall(head) != [b"chunked"]):
            raise BadRequestError("Transfer-Encoding may only be chunked, and only in HTTP/1.1.")
    if head.startswith(b"connect "):
        raise BadRequestError("CONNECT is for proxies, and this server is not one.")
    if chunked:
        return CHUNKED
    length = _LENGTH.search(head)
    return int(length[1]) if length else 0


def asks_for_upgrade(head: bytes) -> bool:
    """Whether headers in lower case ask to go on with another protocol."""
    return b"\r\nupgrade:" in head


def without_upgrade(head: bytes) -> bytes:
    """The headers without that wish: the request is answered, and the connection goes on."""
    return _UPGRADES.sub(b"", head)
