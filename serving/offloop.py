"""Work that would hold the event loop too long: it runs on a thread."""

import asyncio
import contextlib
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from functools import partial
from typing import Any, Final, TypeVar, TypeVarTuple

LARGE_BYTES: Final = 262_144
"""A body or an image above this is parsed on a thread: to hand it over takes 0.1 ms."""

Result = TypeVar("Result")
Arguments = TypeVarTuple("Arguments")

# More would only take turns: what is parsed holds the interpreter's lock.
_threads = ThreadPoolExecutor(1, "large")


async def off_loop(function: Callable[[*Arguments], Result], *arguments: *Arguments) -> Result:
    """What the function returns or raises; it must not hold the interpreter's lock for more than a
    few milliseconds at a time."""
    return await asyncio.get_running_loop().run_in_executor(_threads, function, *arguments)


async def off_loop_if_large(
    body: bytes, function: Callable[[*Arguments], Result], *arguments: *Arguments
) -> Result:
    """The same, but right here if the body is so small that a thread would take longer."""
    if len(body) > LARGE_BYTES:
        return await off_loop(function, *arguments)
    return function(*arguments)


async def on_thread(
    threads: Executor,
    ended: Callable[[], None],
    function: Callable[[*Arguments], Result],
    *arguments: *Arguments,
) -> Result:
    """What the function returns or raises. ``ended`` is called in the event loop as soon as it has,
    even if nobody waits for it any more.

    As ``run_in_executor`` and a callback, but the loop is called once, and not twice.
    """
    future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
    work = threads.submit(function, *arguments)
    work.add_done_callback(partial(_tell, future, ended))
    try:
        return await future
    finally:
        # They have what was raised, whose traceback has this frame: all that a decoder held, 44 MB
        # for 800 bytes of a broken WebP, would stay until Python looks for cycles.
        del work, future


def _tell(future: asyncio.Future[Any], ended: Callable[[], None], work: Future[Any]) -> None:
    """From the thread; a loop that is closed has nobody who waits."""
    with contextlib.suppress(RuntimeError):
        future.get_loop().call_soon_threadsafe(_give, future, ended, work)


def _give(future: asyncio.Future[Any], ended: Callable[[], None], work: Future[Any]) -> None:
    ended()
    if future.done():
        return
    if work.cancelled():
        future.cancel()
    elif (error := work.exception()) is not None:
        future.set_exception(error)
    else:
        future.set_result(work.result())
