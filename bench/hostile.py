"""Clients that no server should suffer from: slow ones, and those that send what cannot be.

    python -m bench.hostile <port> <clients> <seconds> <images>

Prints what they got as JSON. All of them end with the seconds.
"""

import asyncio
import json
import random
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from bench.dialects import DIALECTS

PAUSE_SECONDS = 0.2
BYTE_SECONDS = 0.05
HUGE_BYTES = 10_000_000
HUGE_PAUSE_SECONDS = 5.0
GARBAGE_BYTES = 4096

Chunks = AsyncIterator[bytes]


async def drip(request: bytes) -> Chunks:
    """A good request, a byte at a time."""
    for place in range(len(request)):
        yield request[place : place + 1]
        await asyncio.sleep(BYTE_SECONDS)


async def half(request: bytes) -> Chunks:
    """The first half of a good request, and never the other."""
    yield request[: len(request) // 2]


async def garbage(_request: bytes) -> Chunks:
    """No HTTP at all."""
    yield random.randbytes(GARBAGE_BYTES)


async def huge(_request: bytes) -> Chunks:
    """As much as may be sent, in good JSON, and no image."""
    await asyncio.sleep(HUGE_PAUSE_SECONDS * random.random())
    yield DIALECTS["fields"].request(0, "A" * HUGE_BYTES)
    await asyncio.sleep(HUGE_PAUSE_SECONDS)


KINDS: tuple[Callable[[bytes], Chunks], ...] = (drip, half, garbage, huge)


async def client(kind: Callable[[bytes], Chunks], port: int, request: bytes) -> str:
    """One connection: its answer's status, or how it ended."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        async for chunk in kind(request):
            writer.write(chunk)
            await writer.drain()
        answer = await reader.read(64)
        return answer[9:12].decode("latin-1") or "closed"
    finally:
        writer.transport.abort()


async def attack(port: int, clients: int, seconds: float, request: bytes) -> Counter[str]:
    """Clients of all kinds, each connecting again and again until the seconds are over."""
    outcomes: Counter[str] = Counter()

    async def again(kind: Callable[[bytes], Chunks]) -> None:
        while True:
            try:
                outcome = await client(kind, port, request)
            except OSError as error:
                outcome = type(error).__name__
            outcomes[f"{kind.__name__}: {outcome}"] += 1
            await asyncio.sleep(PAUSE_SECONDS)

    tasks = [asyncio.create_task(again(KINDS[n % len(KINDS)])) for n in range(clients)]
    _, waiting = await asyncio.wait(tasks, timeout=seconds)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return outcomes


def main() -> None:
    port, clients, seconds, images = sys.argv[1:]
    image = json.loads(Path(images).read_text(encoding="utf-8"))[0][0]
    request = DIALECTS["fields"].request(0, image)
    print(json.dumps(asyncio.run(attack(int(port), int(clients), float(seconds), request))))


if __name__ == "__main__":
    main()
