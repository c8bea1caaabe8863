"""Images that wait for a model, each with its own deadline and its own answer."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from numpy.typing import NDArray

from errors import ClientGoneError, OverloadedError
from serving.tracing.trace import Turn, clock

# Asking whether a client is gone costs 2 µs: too much for every item, little after such a wait.
LONG_SECONDS: Final = 0.02

Given = TypeVar("Given")
Waiting = TypeVar("Waiting", bound="Item[Any]")


@dataclass(slots=True, eq=False)
class Item(Generic[Given]):
    """One image, as an array of any kind; ``future`` gets what the model makes of it.

    ``arrived`` and ``expires`` are in the seconds of ``time.monotonic``.
    """

    image: NDArray[Any]
    future: asyncio.Future[Given]
    client_gone: Callable[[], bool]
    arrived: float
    expires: float
    timer: asyncio.TimerHandle | None = None
    turn: Turn | None = None
    """If its request is traced."""

    def watch(self) -> None:
        """Answer at the deadline, whatever the model does."""
        if self.timer is None:
            seconds = self.expires - time.monotonic()
            self.timer = self.future.get_loop().call_later(seconds, _expire, self.future)


class Queue(deque[Waiting]):
    """Items in the order in which they arrived."""

    def take(self, most: int) -> tuple[list[Waiting], float]:
        """The first ``most`` that still want an answer, and how long the first of them has waited.

        Those that are cancelled, out of time, or whose client has left, leave the queue too.
        """
        items: list[Waiting] = []
        now = time.monotonic()
        while self and len(items) < most:
            item = self.popleft()
            if item.future.done():
                continue
            if now >= item.expires:
                item.future.set_exception(expired())
                continue
            if now - item.arrived > LONG_SECONDS and item.client_gone():
                item.future.set_exception(ClientGoneError("The client disconnected."))
                continue
            if item.turn is not None:
                item.turn.taken = clock()
            items.append(item)
        return items, now - items[0].arrived if items else 0.0


def hand_over(items: Iterable[Item[Given]], answers: Iterable[Given | Exception]) -> None:
    """Give each its own, an answer or an error, unless it has gone."""
    for item, answer in zip(items, answers, strict=True):
        if item.future.done():
            continue
        if isinstance(answer, Exception):
            item.future.set_exception(answer)
        else:
            item.future.set_result(answer)


def stays() -> bool:
    """For who has no client: False, it is never gone."""
    return False


def expired() -> OverloadedError:
    """The error for an item whose deadline has passed."""
    return OverloadedError("The request could not be answered in time.", "expired")


def refused(wait: float) -> OverloadedError:
    """The error for an item that would wait for so many seconds, which is too long."""
    return OverloadedError(
        "The request could not have been answered in time, so it was refused immediately.",
        "deadline",
        retry_after=max(1, round(wait)),
    )


def _expire(future: asyncio.Future[Any]) -> None:
    if not future.done():
        future.set_exception(expired())
