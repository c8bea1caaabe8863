"""Decoding: small images at once, large ones on threads, none past its deadline."""

import asyncio
import io
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from PIL import Image

from errors import BadRequestError, OverloadedError
from images.spec import ImageSpec
from serving.inference.decoder import THREADS, Decoder
from tests.waiting import PATIENCE_SECONDS

SPEC = ImageSpec.parse("gray-8x8")


@pytest.fixture
def decoder() -> Iterator[Decoder]:
    decoder = Decoder(2_000_000)
    yield decoder
    decoder.close()


def png(width: int, height: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("L", (width, height), 100).save(buffer, "PNG")
    return buffer.getvalue()


def later(seconds: float = PATIENCE_SECONDS) -> float:
    return time.monotonic() + seconds


@pytest.fixture
def started() -> Callable[[], set[str]]:
    """The kinds of threads that have been started since."""
    before = set(threading.enumerate())
    return lambda: {new.name.partition("_")[0] for new in set(threading.enumerate()) - before}


async def test_a_small_image_is_decoded_at_once(
    decoder: Decoder, started: Callable[[], set[str]]
) -> None:
    pixels = await decoder.pixels(png(20, 30), SPEC, later())
    assert pixels.tolist() == [100] * 64
    assert started() == set()


async def test_a_large_image_is_decoded_on_a_thread(
    decoder: Decoder, started: Callable[[], set[str]]
) -> None:
    pixels = await decoder.pixels(png(1000, 900), SPEC, later())
    assert pixels.tolist() == [100] * 64
    assert started() == {"decode"}


async def test_what_is_no_image(decoder: Decoder) -> None:
    with pytest.raises(BadRequestError, match=r"^Invalid image data: it is not a JPEG"):
        await decoder.pixels(b"no image", SPEC, later())


async def test_too_many_pixels(decoder: Decoder) -> None:
    with pytest.raises(BadRequestError, match=r"^Invalid image data: .* the limit is 2000000"):
        await decoder.pixels(png(2000, 1001), SPEC, later())


async def test_an_image_that_waits_too_long_is_refused(decoder: Decoder) -> None:
    may_run = threading.Event()
    for _ in range(THREADS):
        decoder._threads.submit(may_run.wait)
    large = png(1000, 900)
    ahead = [asyncio.create_task(decoder.pixels(large, SPEC, later())) for _ in range(THREADS)]
    await asyncio.sleep(0)
    with pytest.raises(OverloadedError) as caught:
        await decoder.pixels(large, SPEC, later(0.05))
    assert caught.value.reason == "expired"
    may_run.set()
    for pixels in await asyncio.gather(*ahead):
        assert pixels.tolist() == [100] * 64


async def test_an_image_that_would_wait_too_long_is_refused_at_once(decoder: Decoder) -> None:
    large = png(1000, 900)
    tasks = [asyncio.create_task(decoder.pixels(large, SPEC, later(0.05))) for _ in range(50)]
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    reasons = [outcome.reason for outcome in outcomes if isinstance(outcome, OverloadedError)]
    assert "deadline" in reasons
