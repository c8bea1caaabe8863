"""Content-Encoding."""

import gzip
import zlib

import brotli
import pytest

from errors import BadRequestError, BodyTooLargeError, RequestError, UnsupportedEncodingError
from serving.http.coding import decode

BODY = b'{"request_id": 1}' * 1000
RAW = zlib.compress(BODY)[2:-4]


def zipped(body: bytes, level: int = 9) -> bytes:
    """Without the time, which would give a test another name in each process."""
    return gzip.compress(body, level, mtime=0)


async def decoded(body: bytes, coding: bytes, max_bytes: int = 10_000_000) -> bytes:
    return await decode(body, coding, max_bytes, lambda _: None)


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        (b"gzip", zipped(BODY)),
        (b"x-gzip", zipped(BODY)),
        (b" GZIP ", zipped(BODY)),
        (b"gzip", zipped(BODY[:50]) + zipped(BODY[50:])),
        (b"deflate", zlib.compress(BODY)),
        (b"deflate", RAW),
        (b"br", brotli.compress(BODY)),
        (b"identity", BODY),
    ],
)
async def test_what_is_read(coding: bytes, body: bytes) -> None:
    assert await decoded(body, coding) == BODY


@pytest.mark.parametrize("size", [262_143, 262_144, 262_145, 3_000_000])
@pytest.mark.parametrize("compress", [gzip.compress, zlib.compress, brotli.compress])
async def test_a_body_of_several_pieces(compress: object, size: int) -> None:
    assert callable(compress)
    coding = {"zlib": b"deflate", "gzip": b"gzip"}.get(compress.__module__, b"br")
    assert await decoded(compress(b"a" * size), coding) == b"a" * size


@pytest.mark.parametrize("coding", [b"zstd", b"gzip, br", b"\xff", b"g" * 1000])
async def test_another_coding_is_refused(coding: bytes) -> None:
    with pytest.raises(UnsupportedEncodingError, match="gzip, deflate or br") as refused:
        await decoded(BODY, coding)
    assert len(str(refused.value)) < 200


@pytest.mark.parametrize(
    ("coding", "body", "why"),
    [
        (b"gzip", b"", "ends too early"),
        (b"gzip", BODY, "is damaged"),
        (b"gzip", zipped(BODY)[:-9], "ends too early"),
        (b"gzip", zipped(BODY) + b"x", "more after its end"),
        (b"gzip", zipped(b"") * 65, "more than 64 members"),
        (b"deflate", zlib.compress(BODY)[:-1], "ends too early"),
        (b"deflate", zlib.compress(BODY) + b"x", "more after its end"),
        (b"deflate", b"\xff\xff", "is damaged"),
        (b"br", b"", "ends too early"),
        (b"br", b"\xff\xff\xff", "is damaged"),
        (b"br", brotli.compress(BODY)[:-1], "ends too early"),
        (b"br", brotli.compress(BODY) + b"x", "damaged"),
    ],
)
async def test_a_damaged_body(coding: bytes, body: bytes, why: str) -> None:
    with pytest.raises(BadRequestError, match=why):
        await decoded(body, coding)


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        (b"gzip", zipped(bytes(100_000_000), 1)),
        (b"deflate", zlib.compress(bytes(100_000_000), 1)),
        (b"br", brotli.compress(bytes(100_000_000), quality=1)),
    ],
)
async def test_no_more_is_made_than_is_allowed(coding: bytes, body: bytes) -> None:
    held: list[int] = []
    with pytest.raises(BodyTooLargeError, match="1000000 bytes allowed"):
        await decode(body, coding, 1_000_000, held.append)
    assert sum(held) < 2_000_000


async def test_what_it_becomes_counts_as_held() -> None:
    def full(size: int) -> None:
        raise RequestError(f"{size} more")

    with pytest.raises(RequestError, match=f"{len(BODY)} more"):
        await decode(zipped(BODY), b"gzip", 1_000_000, full)
