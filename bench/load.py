"""The client: one process, one thread, many connections, and every answer checked.

    python -m bench.load < plan.json

Reads a ``Plan`` as JSON and prints a ``Result`` as JSON. It is written on uvloop without an HTTP
library, because on a small machine the client's processor time is taken from the server. wrk costs
less still, but its script is not told to which request of a thread an answer belongs.
"""

import asyncio
import contextlib
import gc
import json
import os
import sys
import time
from array import array
from collections import deque
from dataclasses import asdict
from pathlib import Path
from typing import Any

import orjson
import uvloop

from bench.dialects import DIALECTS, Dialect
from bench.plan import LONGEST_WAIT_SECONDS, Plan, Result
from bench.process import Tree


class Load:
    """All connections of a plan, and the count of what they got."""

    def __init__(self, plan: Plan, requests: list[bytes], labels: list[object]) -> None:
        self.plan = plan
        self.requests, self.labels = requests, labels
        self.label = DIALECTS[plan.dialect].label
        self.read = DIALECTS[plan.dialect].read
        self.latencies = array("d")
        self.wrong = self.refused = self.lost = self.unsent = self.busy = self.number = 0
        self.last = 0.0
        self.first_wrong = ""
        self.sending = False
        self.drained = asyncio.Event()
        self.idle: deque[Connection] = deque()

    async def run(self) -> Result:
        await asyncio.gather(*(self.connect() for _ in range(self.plan.connections)))
        tree = Tree(self.plan.root, self.plan.mark) if self.plan.root else None
        gc.collect()
        gc.disable()
        self.drained.clear()
        self.sending = True
        if self.plan.rate is None:
            while self.idle:
                self.ask(self.idle.popleft(), time.perf_counter())
            await asyncio.sleep(self.plan.warm)
            self.latencies = array("d")
            self.wrong = self.refused = self.lost = 0
        cpu, mine = tree.cpu_seconds() if tree else 0.0, time.process_time()
        started = self.last = time.perf_counter()
        if self.plan.rate is None:
            await asyncio.sleep(self.plan.seconds)
        else:
            await self._pace(self.plan.rate, started)
        self.sending = False
        stopped = time.monotonic()
        if self.busy:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.drained.wait(), LONGEST_WAIT_SECONDS)
        used = tree.cpu_seconds() - cpu if tree else 0.0
        found = sorted(self.latencies) or [0.0]
        return Result(
            seconds=self.last - started,
            right=len(self.latencies),
            wrong=self.wrong,
            refused=self.refused,
            lost=self.lost + self.busy,
            unsent=self.unsent,
            p50_ms=found[len(found) // 2] * 1000,
            p99_ms=found[min(int(len(found) * 0.99), len(found) - 1)] * 1000,
            server_cpu_seconds=used,
            client_cpu_seconds=time.process_time() - mine,
            first_wrong=self.first_wrong,
            stopped_at=stopped,
        )

    async def _pace(self, rate: float, started: float) -> None:
        due = 0
        while (now := time.perf_counter()) < started + self.plan.seconds:
            wanted = int((now - started) * rate)
            while due < wanted:
                if self.idle:
                    self.ask(self.idle.popleft(), started + due / rate)
                else:
                    self.unsent += 1
                due += 1
            await asyncio.sleep(0.001)

    async def connect(self) -> None:
        """Tries for as long as the server is to be asked."""
        for _ in range(100):
            try:
                await asyncio.get_running_loop().create_connection(
                    lambda: Connection(self), "127.0.0.1", self.plan.port
                )
            except OSError:
                await asyncio.sleep(0.05)
            else:
                return

    def ask(self, connection: "Connection", due: float) -> None:
        self.busy += 1
        number = self.number
        self.number = number + 1 if number + 1 < len(self.requests) else 0
        connection.ask(self.requests[number], self.labels[number], due)

    def answered(self, connection: "Connection", head: bytes, body: bytes) -> None:
        self.busy -= 1
        now = self.last = time.perf_counter()
        if head[9:12] == b"200" and self._is_right(body, connection.label):
            self.latencies.append(now - connection.due)
        elif head[9:12] == b"503" and b"\r\nretry-after:" in head.lower():
            self.refused += 1
        else:
            self.wrong += 1
            self.first_wrong = self.first_wrong or (head[:12] + b" " + body[:200]).decode("latin-1")
        self.ready(connection)

    def ready(self, connection: "Connection") -> None:
        if self.sending and self.plan.rate is None:
            self.ask(connection, time.perf_counter())
        else:
            self.idle.append(connection)
            self.rest()

    def rest(self) -> None:
        if not self.busy and not self.sending:
            self.drained.set()

    def _is_right(self, body: bytes, label: object) -> bool:
        if self.label is None:
            return True
        try:
            return bool(self.label(self.read(body)) == label)
        except (ValueError, LookupError, TypeError):
            return False


class Connection(asyncio.Protocol):
    """One request at a time; reads answers with a length, or in chunks."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self.buffer = b""
        self.waiting = False
        self.due = 0.0
        self.label: object = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.load.ready(self)

    def ask(self, request: bytes, label: object, due: float) -> None:
        self.waiting, self.label, self.due = True, label, due
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        self.buffer = self.buffer + data if self.buffer else data
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head, body = self.buffer[:end], self.buffer[end + 4 :]
        lower = head.lower()
        place = lower.find(b"\r\ncontent-length:")
        if place >= 0:
            if len(body) < int(lower[place + 17 :].split(b"\r\n", 1)[0]):
                return
        elif not body.endswith(b"0\r\n\r\n"):
            return
        else:
            body = b"".join(body.split(b"\r\n")[1:-3:2])
        self.buffer = b""
        self.waiting = False
        self.load.answered(self, head, body)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        load = self.load
        if self.waiting:
            load.busy -= 1
            load.lost += 1
            load.rest()
        elif self in load.idle:
            load.idle.remove(self)
        if load.sending:
            asyncio.get_running_loop().create_task(load.connect())


def prepare(dialect: Dialect, images: Path, secret: str = "") -> tuple[list[bytes], list[object]]:
    """The requests about the images in the file, and the label each must get."""
    pairs = orjson.loads(images.read_bytes())
    requests = [dialect.request(number, image, secret) for number, (image, _) in enumerate(pairs)]
    return requests, [label for _, label in pairs]


def main() -> None:
    plan = Plan(**json.load(sys.stdin))
    if plan.yields:
        os.nice(19)
    requests, labels = prepare(DIALECTS[plan.dialect], Path(plan.images), plan.secret)
    result = uvloop.run(Load(plan, requests, labels).run())
    print(json.dumps(asdict(result)))


if __name__ == "__main__":
    main()
