"""Calls that may never return, such as a read from a network disk that does not answer.

Each has a daemon thread of its own: unlike a pool's, which the interpreter waits for at its end, it
holds up neither other calls nor the end of the process.
"""

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
