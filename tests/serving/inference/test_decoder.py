"""Decoding: small images at once, large ones on threads, none past its deadline."""

import asyncio
import io
import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from errors import BadRequestError, OverloadedError
from images.decoding import Encoded
from images.spec import ImageSpec
from serving.inference.decoder import THREADS, Decoder

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


def later(seconds: float = 30.0) -> float:
    return time.monotonic() + seconds


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The names of the threads that decoded."""
    names: set[str] = set()
    decode = Encoded.pixels

    def noting(self: Encoded, spec: ImageSpec) -> NDArray[np.uint8]:
        names.add(threading.current_thread().name.partition("_")[0])
        return decode(self, spec)

    monkeypatch.setattr(Encoded, "pixels", noting)
    return names


async def test_a_small_image_is_decoded_at_once(decoder: Decoder, threads: set[str]) -> None:
    pixels = await decoder.pixels(png(20, 30), SPEC, later())
    assert pixels.tolist() == [100] * 64
    assert threads == {"MainThread"}


async def test_a_large_image_is_decoded_on_a_thread(decoder: Decoder, threads: set[str]) -> None:
    pixels = await decoder.pixels(png(1000, 900), SPEC, later())
    assert pixels.tolist() == [100] * 64
    assert threads == {"decode"}


async def test_what_is_no_image(decoder: Decoder) -> None:
    with pytest.raises(BadRequestError, match=r"^Invalid image data: it is not a JPEG"):
        await decoder.pixels(b"no image", SPEC, later())


async def test_too_many_pixels(decoder: Decoder) -> None:
    with pytest.raises(BadRequestError, match=r"^Invalid image data: .* the limit is 2000000"):
        await decoder.pixels(png(2000, 1001), SPEC, later())


async def test_an_image_that_waits_too_long_is_refused(
    decoder: Decoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_run = threading.Event()
    decode = Encoded.pixels

    def slow(self: Encoded, spec: ImageSpec) -> NDArray[np.uint8]:
        may_run.wait(10)
        return decode(self, spec)

    monkeypatch.setattr(Encoded, "pixels", slow)
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
