"""One server, many broken requests, and what must hold of all of them.

``make test`` sends some hundred of each kind. ``make fuzz`` sends as many as FUZZ_CASES says, from
the seed FUZZ_SEED, and also fails if an answer took over a second, or if the worker's memory grew.
"""

import http.client
import os
import random
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import orjson

from tests.servers import Server
from tests.waiting import PATIENCE_SECONDS

WHOLE = "FUZZ_CASES" in os.environ
CASES = int(os.environ.get("FUZZ_CASES", "200"))
SEED = int(os.environ.get("FUZZ_SEED", "1"))

CLIENTS = 4
LONGEST_SECONDS = 1.0
GROWTH = 1.1


class Request(NamedTuple):
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass
class Outcome:
    """What a server answered to many requests: how often each status, and the longest wait.

    ``name``: the only field of an error.
    """

    statuses: Counter[int | str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    longest: float = 0.0
    name: str = "detail"

    def note(self, what: str, status: int, body: bytes, seconds: float) -> None:
        self.statuses[status] += 1
        self.longest = max(self.longest, seconds)
        if status >= 500:
            self.faults.append(f"{status}: {what}: {body[:200]!r}")
        elif status >= 400 and list(orjson.loads(body)) != [self.name]:
            self.faults.append(f"{status} without a {self.name} alone: {what}: {body[:200]!r}")


def rss_mib(process: int) -> float:
    """Resident memory."""
    status = Path(f"/proc/{process}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


def attack(server: Server, requests: Iterable[Request], name: str = "detail") -> Outcome:
    """Send them from a few clients; each keeps its connection until the server closes it."""
    outcome = Outcome(name=name)
    address = urlsplit(server.url)

    def send(share: list[Request]) -> None:
        connection = http.client.HTTPConnection(
            str(address.hostname), address.port, timeout=PATIENCE_SECONDS
        )
        for request in share:
            began = time.monotonic()
            connection.request("POST", request.path, request.body, dict(request.headers))
            answer = connection.getresponse()
            body = answer.read()
            what = f"{request.path} {dict(request.headers)} {request.body[:60]!r}"
            outcome.note(what, answer.status, body, time.monotonic() - began)
        connection.close()

    shares: list[list[Request]] = [[] for _ in range(CLIENTS)]
    for number, request in enumerate(requests):
        shares[number % CLIENTS].append(request)
    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(send, shares))
    return outcome


def check(
    server: Server,
    record: Callable[[str, object], None],
    name: str,
    run: Callable[[int], Outcome],
) -> None:
    """A tenth of the attack to warm up, then all of it."""
    workers = server.workers()
    run(max(1, CASES // 10))
    before = rss_mib(workers[0])
    outcome = run(CASES)
    after = rss_mib(workers[0])
    record(
        f"fuzz, {name}",
        f"{dict(sorted(outcome.statuses.items(), key=str))}, longest wait {outcome.longest:.2f} s, "
        f"memory {before:.0f} to {after:.0f} MiB",
    )
    assert not outcome.faults, outcome.faults[:5]
    assert server.workers() == workers, "a worker was restarted"
    if WHOLE:
        assert outcome.longest < LONGEST_SECONDS
        assert after < before * GROWTH


def mutated(data: bytes, draw: random.Random) -> bytes:
    """The data with one to four changes of the kinds that break parsers."""
    content = bytearray(data)
    for _ in range(draw.randint(1, 4)):
        at = draw.randrange(len(content) + 1)
        size = draw.choice((1, 2, 4, draw.randrange(1, 64)))
        kind = draw.randrange(6)
        if kind == 0:
            content[at : at + size] = draw.randbytes(size)
        elif kind == 1:
            del content[at : at + size]
        elif kind == 2:
            content[at:at] = content[at : at + size] * draw.choice((1, 2, 50))
        elif kind == 3:
            content[at : at + 4] = draw.choice(
                (b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff")
            )
        elif kind == 4 and len(content) > 1:
            del content[draw.randrange(1, len(content)) :]
        elif at < len(content):
            content[at] ^= 1 << draw.randrange(8)
    return bytes(content)
