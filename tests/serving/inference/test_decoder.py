"""Decoding: small images at once, large ones on threads, none past its deadline."""

import asyncio
import contextlib
import io
import threading
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from errors import BadRequestError, ClientGoneError, OverloadedError
from images.costs import Cost
from images.spec import ImageSpec
from serving.inference.activity import Activity
from serving.inference.decoder import Decoder, Then
from serving.tracing.trace import TRACE, Trace, clock
from tests.servers import ROOT
from tests.waiting import PATIENCE_SECONDS, until_async

SPEC = ImageSpec.parse("gray-8x8")
MIB = 2**20
GRAY = SPEC.features(np.full(64, 100, np.uint8)).tolist()


@pytest.fixture
def decoder() -> Iterator[Decoder]:
    decoder = Decoder(2_000_000, 64 * MIB)
    yield decoder
    decoder.close()


def present() -> bool:
    return False


def busy() -> Activity:
    """Of workers that have something to do besides."""
    activity = Activity()
    activity.begin()
    return activity


def png(width: int, height: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("L", (width, height), 100).save(buffer, "PNG")
    return buffer.getvalue()


def later(seconds: float = PATIENCE_SECONDS) -> float:
    return time.monotonic() + seconds


@pytest.fixture
def started() -> Callable[[], set[str]]:
    """The decoder's threads that have been started since; others may start in an earlier test."""
    before = set(threading.enumerate())
    return lambda: {
        kind
        for thread in set(threading.enumerate()) - before
        if (kind := thread.name.partition("_")[0]) == "decode"
    }


async def test_a_small_image_is_decoded_at_once(
    decoder: Decoder, started: Callable[[], set[str]]
) -> None:
    features = await decoder.features(png(20, 30), SPEC, later(), present)
    assert features.tolist() == GRAY
    assert started() == set()


async def test_a_large_image_is_decoded_on_a_thread(
    decoder: Decoder, started: Callable[[], set[str]]
) -> None:
    features = await decoder.features(png(1000, 900), SPEC, later(), present)
    assert features.tolist() == GRAY
    assert started() == {"decode"}


async def test_what_is_no_image(decoder: Decoder) -> None:
    with pytest.raises(BadRequestError, match=r"^Invalid image data: it is not a JPEG"):
        await decoder.features(b"no image", SPEC, later(), present)


async def test_too_many_pixels(decoder: Decoder) -> None:
    with pytest.raises(BadRequestError, match=r"^Invalid image data: .* the limit is 2000000"):
        await decoder.features(png(2000, 1001), SPEC, later(), present)


async def test_an_image_that_waits_too_long_is_refused(decoder: Decoder) -> None:
    whole = Cost(64 * MIB, 0.001)
    await decoder._budget.acquire(whole)
    with pytest.raises(OverloadedError) as caught:
        await decoder.features(png(1000, 900), SPEC, later(0.05), present)
    assert caught.value.reason == "expired"
    waiting = asyncio.create_task(decoder.features(png(1000, 900), SPEC, later(), present))
    await asyncio.sleep(0)
    decoder._budget.release(whole)
    assert (await waiting).tolist() == GRAY


async def test_one_that_never_fits_is_refused_with_the_limit() -> None:
    decoder = Decoder(25_000_000, 2 * MIB)
    with pytest.raises(BadRequestError) as caught:
        await decoder.features(png(2000, 2000), SPEC, later(), present)
    assert str(caught.value) == (
        "Invalid image data: decoding it takes 7 MiB of memory; the limit is 2 MiB"
    )
    decoder.close()


async def test_one_that_was_given_up_holds_its_memory_until_it_ends() -> None:
    decoder = Decoder(2_000_000, 64 * MIB, activity=busy())
    free, decoded, may_end = decoder._budget.free, threading.Event(), threading.Event()

    def held(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        decoded.set()
        may_end.wait(PATIENCE_SECONDS)
        return pixels

    asking = asyncio.create_task(
        decoder.pixels(png(1400, 1400), SPEC, later(), present, then=Then(held, 0.0))
    )
    await until_async(decoded.is_set, "a decode that has begun")
    assert not decoder.is_idle
    asking.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await asking
    assert decoder._budget.free < free
    may_end.set()
    await until_async(lambda: decoder._budget.free == free, "its memory to be free")
    await until_async(lambda: decoder.is_idle)
    decoder.close()


async def test_a_client_that_has_gone_is_not_decoded_for(decoder: Decoder) -> None:
    free = decoder._budget.free
    with pytest.raises(ClientGoneError):
        await decoder.features(png(1000, 900), SPEC, later(), lambda: True)
    assert decoder._budget.free == free


async def test_many_at_once_take_turns_with_others(decoder: Decoder) -> None:
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count())
    image = png(120, 120)
    asked = [decoder.features(image, SPEC, later(), present, in_batch=True) for _ in range(300)]
    for features in await asyncio.gather(*asked):
        assert features.tolist() == GRAY
    counting.cancel()
    assert turns > 5


@pytest.mark.parametrize("turns", [0, 1, 2])
async def test_those_who_give_up_pass_their_turn_on(decoder: Decoder, turns: int) -> None:
    late = [
        asyncio.create_task(decoder.features(png(20, 30), SPEC, later(-1), present, in_batch=True))
        for _ in range(3)
    ]
    leaving = asyncio.create_task(
        decoder.features(png(20, 30), SPEC, later(), present, in_batch=True)
    )
    staying = asyncio.create_task(
        decoder.features(png(20, 30), SPEC, later(), present, in_batch=True)
    )
    decoder._inline.took(1.0)  # As if other images had filled the turn in which these begin.
    for _ in range(turns):
        await asyncio.sleep(0)
    leaving.cancel()
    assert (await staying).tolist() == GRAY
    outcomes = await asyncio.gather(*late, leaving, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [
        *[OverloadedError] * 3,
        asyncio.CancelledError,
    ]


async def test_an_image_that_would_wait_too_long_is_refused_at_once(decoder: Decoder) -> None:
    large = png(1000, 900)
    tasks = [
        asyncio.create_task(decoder.features(large, SPEC, later(0.05), present)) for _ in range(50)
    ]
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    reasons = [outcome.reason for outcome in outcomes if isinstance(outcome, OverloadedError)]
    assert "deadline" in reasons


def large_photo(width: int = 2048, height: int = 1536) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), "teal").save(buffer, "JPEG")
    return buffer.getvalue()


REDUCED = ImageSpec.parse("rgb-224x224").model_copy(update={"decoding": "reduced"})


async def test_a_large_photo_waits_decoded_for_its_copy() -> None:
    decoder, photo = Decoder(4_000_000, 64 * MIB, copied=True), large_photo()
    with contextlib.closing(decoder):
        await decoder.features(photo, REDUCED, later(), present)
    decoded = decoder.reduced.take(photo)
    assert decoded is not None
    assert decoded.image.size == (1024, 768)


async def test_others_see_that_a_large_photo_is_decoded() -> None:
    activity = busy()
    seen = []

    def make(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        seen.append(activity.count)
        return pixels

    with contextlib.closing(Decoder(4_000_000, 64 * MIB, activity=activity)) as decoder:
        await decoder.pixels(large_photo(), REDUCED, later(), present, then=Then(make, 0.0))
        await until_async(lambda: activity.count == 1, "the end")
    assert seen == [2]


def total(pixels: NDArray[np.uint8]) -> tuple[int, str]:
    return int(pixels.sum()), threading.current_thread().name


SUM = 64 * 100


async def test_the_thread_that_decodes_goes_on_where_others_wait_for_it() -> None:
    with contextlib.closing(Decoder(2_000_000, 64 * MIB, activity=busy())) as decoder:
        made, thread = await decoder.pixels(
            png(1000, 900), SPEC, later(), present, then=Then(total, 0.0)
        )
    assert made == SUM
    assert thread.startswith("decode")


async def test_a_trace_tells_decoding_from_what_comes_then() -> None:
    trace = Trace("1" * 32, "2" * 16, clock())
    token = TRACE.set(trace)

    def note(_pixels: NDArray[np.uint8]) -> float:
        return clock()

    with contextlib.closing(Decoder(2_000_000, 64 * MIB, activity=busy())) as decoder:
        began = await decoder.pixels(png(1000, 900), SPEC, later(), present, then=Then(note, 0.0))
    TRACE.reset(token)
    (stage,) = trace.stages
    assert stage.name == "decode"
    assert stage.began < stage.ended <= began


async def test_it_does_not_for_a_small_image_or_one_that_comes_alone() -> None:
    for activity, image in ((busy(), png(20, 30)), (Activity(), png(1000, 900))):
        with contextlib.closing(Decoder(2_000_000, 64 * MIB, activity=activity)) as decoder:
            pixels = await decoder.pixels(image, SPEC, later(), present, then=Then(total, 0.0))
        assert int(pixels.sum()) == SUM


async def test_it_does_not_for_an_image_that_takes_less_to_decode() -> None:
    with contextlib.closing(Decoder(2_000_000, 64 * MIB, activity=busy())) as decoder:
        pixels = await decoder.pixels(png(1000, 900), SPEC, later(), present, then=Then(total, 1.0))
    assert int(pixels.sum()) == SUM


async def test_what_comes_after_decoding_is_waited_for_too() -> None:
    with contextlib.closing(Decoder(2_000_000, 64 * MIB, share=1, cpus=1)) as decoder:
        asking = [
            asyncio.create_task(
                decoder.pixels(png(1000, 900), SPEC, later(10), present, then=Then(total, 60.0))
            )
            for _ in range(2)
        ]
        outcomes = await asyncio.gather(*asking, return_exceptions=True)
    assert [getattr(one, "reason", "") for one in outcomes] == ["", "deadline"]


@pytest.mark.parametrize(("others", "expected"), [(0, 4), (1, 3), (3, 2), (9, 2)])
async def test_it_has_its_share_of_the_processors_and_what_others_leave(
    others: int, expected: int
) -> None:
    activity = Activity()
    for _ in range(others):
        activity.begin()
    with contextlib.closing(
        Decoder(2_000_000, 64 * MIB, activity=activity, share=2, cpus=4)
    ) as decoder:
        assert decoder._places() == expected
        await decoder._budget.acquire(Cost(1, 0.001))
        activity.begin()
        assert decoder._places() == expected, "its own are none of the others'"


async def test_it_does_not_where_no_copies_are_made(decoder: Decoder) -> None:
    photo = large_photo(1600, 1200)
    await decoder.features(photo, REDUCED, later(), present)
    assert decoder.reduced.take(photo) is None


def cut(name: str, mode: str = "RGB") -> bytes:
    buffer = io.BytesIO()
    Image.effect_noise((900, 900), 80).convert(mode).save(buffer, name)
    return buffer.getvalue()[:100_000]


# The header says 1,317 by 4,162 pixels; there are 774 bytes.
BROKEN_WEBP = (ROOT / "tests" / "data" / "broken.webp").read_bytes()


@pytest.mark.parametrize(
    "image",
    [cut("PNG"), cut("GIF", "P"), cut("BMP"), cut("WEBP"), cut("JPEG"), BROKEN_WEBP],
    ids=["PNG", "GIF", "BMP", "WebP", "JPEG", "a broken WebP"],
)
async def test_what_decoding_a_broken_image_took_is_free_at_once(
    image: bytes, new: Callable[[type], list[object]]
) -> None:
    decoder = Decoder(25_000_000, 512 * MIB)
    with contextlib.closing(decoder), contextlib.suppress(BadRequestError):
        pytest.fail(str(await decoder.features(image, SPEC, later(), present)))
    # The thread lets go of it a moment after it has told the loop.
    await until_async(lambda: not new(Image.Image), lambda: new(Image.Image))
