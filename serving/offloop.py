"""Work that would hold the event loop too long: it runs on a thread."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar, TypeVarTuple

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
