"""Calls that may never return, such as a read from a network disk that does not answer.

Each has a daemon thread of its own: unlike a pool's, which the interpreter waits for at its end, it
holds up neither other calls nor the end of the process.
"""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


def detached(name: str, function: Callable[..., T], *args: object) -> Future[T]:
    """The result of a call that starts now; ``name`` is its thread's. It cannot be cancelled."""
    future: Future[T] = Future()
    future.set_running_or_notify_cancel()

    def run() -> None:
        try:
            future.set_result(function(*args))
        except BaseException as error:  # noqa: BLE001 - whoever waits for the result gets it
            future.set_exception(error)

    threading.Thread(target=run, name=name, daemon=True).start()
    return future


async def finished(future: Future[T], seconds: float) -> bool:
    """Whether a call ends within some seconds, without holding up the event loop."""
    ended = asyncio.Event()
    when_done(future, ended.set)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await ended.wait()
    return future.done()


def when_done(future: Future[T], function: Callable[[], object]) -> None:
    """Call a function on this event loop once a call has ended, if the loop still runs then."""
    loop = asyncio.get_running_loop()

    def tell(_: Future[T]) -> None:
        with contextlib.suppress(RuntimeError):  # The loop is closed.
            loop.call_soon_threadsafe(function)

    future.add_done_callback(tell)
