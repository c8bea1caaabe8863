"""Content-Encoding: bodies that clients compress."""

import asyncio
import zlib
from collections.abc import Callable, Iterator
from typing import Final

from errors import BadRequestError, BodyTooLargeError, UnsupportedEncodingError

# What is read, and made, at a time, so that no body holds the event loop: a small one that becomes
# a large one takes 1 ms a piece, and so does a large one that becomes nothing.
_INPUT_BYTES: Final = 65_536
_OUTPUT_BYTES: Final = 262_144

# Each copies what is after it.
_MAX_MEMBERS: Final = 64

_ZLIB_METHOD: Final = 8
_GZIP_MAGIC: Final = b"\x1f\x8b"
_GZIP_WINDOW: Final = zlib.MAX_WBITS | 16


async def decode(body: bytes, coding: bytes, max_bytes: int, hold: Callable[[int], None]) -> bytes:
    """What a body was before the client compressed it; ``coding`` is its Content-Encoding.

    ``hold`` is called with the size of each piece. Raises UnsupportedEncodingError for any coding
    but gzip, deflate (with zlib's header, as the standard has it, or without) and br,
    BodyTooLargeError as soon as it becomes more than ``max_bytes``, and BadRequestError if it is
    damaged or ends too early.
    """
    name = coding.strip().lower()
    if name in (b"", b"identity"):
        return body
    if name in (b"gzip", b"x-gzip"):
        pieces = _inflate(body, _GZIP_WINDOW)
    elif name == b"deflate":
        pieces = _inflate(body, zlib.MAX_WBITS if _has_zlib_header(body) else -zlib.MAX_WBITS)
    elif name == b"br":
        pieces = _unbrotli(body)
    else:
        raise UnsupportedEncodingError(
            f"Content-Encoding {name[:40].decode('latin-1')!r} is not supported; send gzip, "
            "deflate or br, or an uncompressed body."
        )
    decoded = []
    size = 0
    try:
        for piece in pieces:
            size += len(piece)
            if size > max_bytes:
                raise BodyTooLargeError(
                    f"The decompressed body is larger than the {max_bytes} bytes allowed."
                )
            hold(len(piece))
            decoded.append(piece)
            await asyncio.sleep(0)
    except ValueError as error:
        raise BadRequestError(f"The body is not valid {name.decode()}: {error}.") from None
    return b"".join(decoded)


def _has_zlib_header(body: bytes) -> bool:
    return len(body) > 1 and body[0] & 15 == _ZLIB_METHOD and (body[0] << 8 | body[1]) % 31 == 0


def _chunks(body: bytes) -> Iterator[bytes]:
    for start in range(0, len(body), _INPUT_BYTES):
        yield body[start : start + _INPUT_BYTES]


def _inflate(body: bytes, window: int) -> Iterator[bytes]:
    """Pieces of what a gzip or deflate stream becomes; raises ValueError."""
    stream = zlib.decompressobj(window)
    members = 1
    try:
        for chunk in _chunks(body):
            data = chunk
            while data:
                if stream.eof:
                    if window != _GZIP_WINDOW or not _GZIP_MAGIC.startswith(data[:2]):
                        raise ValueError("there is more after its end")
                    members += 1
                    if members > _MAX_MEMBERS:
                        raise ValueError(f"it has more than {_MAX_MEMBERS} members")
                    stream = zlib.decompressobj(window)
                yield stream.decompress(data, _OUTPUT_BYTES)
                data = stream.unused_data if stream.eof else stream.unconsumed_tail
        while not stream.eof:
            piece = stream.decompress(b"", _OUTPUT_BYTES)
            if not piece:
                raise ValueError("it ends too early")
            yield piece
    except zlib.error:
        raise ValueError("it is damaged") from None


def _unbrotli(body: bytes) -> Iterator[bytes]:
    """Pieces of what a Brotli stream becomes; raises ValueError."""
    # Few clients send it, and the library takes 1 MB.
    import brotli

    stream = brotli.Decompressor()
    try:
        for chunk in _chunks(body):
            if stream.is_finished():
                raise ValueError("there is more after its end")
            yield stream.process(chunk, output_buffer_limit=_OUTPUT_BYTES)
            while not (stream.can_accept_more_data() or stream.is_finished()):
                yield stream.process(b"", output_buffer_limit=_OUTPUT_BYTES)
        while not stream.is_finished():
            piece = stream.process(b"", output_buffer_limit=_OUTPUT_BYTES)
            if not piece:
                raise ValueError("it ends too early")
            yield piece
    except brotli.error:
        raise ValueError("it is damaged") from None
