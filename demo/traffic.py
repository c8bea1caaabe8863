"""What clients do: they send digits at a steady rate, from a process of its own, and count."""

import asyncio
import base64
import contextlib
import json
import multiprocessing
import signal
import time
from multiprocessing.queues import Queue
from multiprocessing.sharedctypes import Synchronized
from types import TracebackType
from typing import Any, NamedTuple, Self
from urllib.parse import urlsplit

import numpy as np

from demo.digits import Digits

MODEL = "clf"
RATE = 100
"""Requests a second."""
SHIFT_SECONDS = 10.0
"""From the first turn of the camera to the last."""

_PATIENCE_SECONDS = 10.0
# Servers close a connection that was idle for longer than this and more.
_IDLE_SECONDS = 20.0
_HAND_OVER_SECONDS = 0.2
_LATE_SECONDS = 0.1
_NEVER = float("inf")


class Answer(NamedTuple):
    """One request and what became of it. ``at``: when it was sent, by ``time.monotonic``;
    ``seconds``: from then to the answer; ``status``: 0 where none came; ``moved``: of the camera;
    ``fresh``: a digit that no version has seen."""

    at: float
    request_id: str
    truth: str
    prediction: str | None
    version: str
    status: int
    seconds: float
    moved: float
    fresh: bool


class Traffic:
    """Clients that send digits until the block ends."""

    def __init__(self, url: str, seed: int, rate: int = RATE) -> None:
        # Not forked: threads and locks of this process are no business of theirs.
        context = multiprocessing.get_context("spawn")
        self._answers: Queue[list[Answer]] = context.Queue()
        self._shift_at: Synchronized[float] = context.Value("d", _NEVER)
        self._fresh_at: Synchronized[float] = context.Value("d", _NEVER)
        shared = self._answers, self._shift_at, self._fresh_at
        self._process = context.Process(target=_run, args=(url, seed, rate, *shared), daemon=True)

    def __enter__(self) -> Self:
        self._process.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._process.terminate()
        self._process.join()

    def shift(self) -> None:
        """Begin to turn the camera."""
        self._shift_at.value = time.monotonic()

    def refresh(self) -> None:
        """Send digits that nobody has seen from now on."""
        self._fresh_at.value = time.monotonic()

    def answers(self) -> list[Answer]:
        """Those that came since the last time."""
        found: list[Answer] = []
        while not self._answers.empty():
            found += self._answers.get()
        return found

    @property
    def running(self) -> bool:
        return self._process.is_alive()


def moved(since: float) -> float:
    """How far the camera has moved, from 0 to 1, so many seconds after it began to."""
    return min(1.0, max(0.0, since / SHIFT_SECONDS))


def _run(
    url: str,
    seed: int,
    rate: int,
    answers: "Queue[list[Answer]]",
    shift_at: "Synchronized[float]",
    fresh_at: "Synchronized[float]",
) -> None:
    # Ctrl-C is for whoever started this.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    asyncio.run(_Clients(url, seed, rate, answers, shift_at, fresh_at).send())


class _Clients:
    def __init__(
        self,
        url: str,
        seed: int,
        rate: int,
        answers: "Queue[list[Answer]]",
        shift_at: "Synchronized[float]",
        fresh_at: "Synchronized[float]",
    ) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port or 80
        self._digits = Digits.split(seed)
        self._rng = np.random.default_rng(seed + 1)
        self._rate = rate
        self._answers = answers
        self._shift_at, self._fresh_at = shift_at, fresh_at
        self._idle: list[tuple[float, asyncio.StreamReader, asyncio.StreamWriter]] = []
        self._done: list[Answer] = []

    async def send(self) -> None:
        """Each request when it is due, whatever became of those before. Where this process gets no
        CPU for long, those that it has missed are not made up for."""
        due, number, handed = time.monotonic(), 0, 0.0
        tasks: set[asyncio.Task[None]] = set()
        while True:
            due = max(due + 1 / self._rate, time.monotonic() - _LATE_SECONDS)
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            task = asyncio.create_task(self._ask(number))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
            number += 1
            if due - handed > _HAND_OVER_SECONDS:
                handed = due
                self._answers.put(self._done)
                self._done = []

    async def _ask(self, number: int) -> None:
        fresh = time.monotonic() >= self._fresh_at.value
        rows = self._digits.parts[2 if fresh else 1]
        row = int(self._rng.choice(rows))
        amount = moved(time.monotonic() - self._shift_at.value)
        image = self._digits.photograph(row, self._rng, amount)
        request_id = f"demo-{number}"
        text = base64.b64encode(image).decode()
        body = json.dumps({"request_id": request_id, "model": MODEL, "image": text}).encode()
        status, version, prediction = 0, "", None
        began = time.monotonic()
        # Decoding what is no HTTP fails in many ways, and all of them are no answer.
        with contextlib.suppress(Exception):
            async with asyncio.timeout(_PATIENCE_SECONDS):
                status, version, prediction = await self._post(body)
        self._done.append(
            Answer(
                at=began,
                request_id=request_id,
                truth=self._digits.labels[row],
                prediction=prediction,
                version=version,
                status=status,
                seconds=time.monotonic() - began,
                moved=amount,
                fresh=fresh,
            )
        )

    async def _post(self, body: bytes) -> tuple[int, str, str | None]:
        reader, writer = await self._connection()
        try:
            head = f"POST /predict/ HTTP/1.1\r\nHost: pupila\r\nContent-Length: {len(body)}\r\n\r\n"
            writer.write(head.encode() + body)
            lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            pairs = (line.split(": ", 1) for line in lines[1:] if ": " in line)
            headers = {name.lower(): value for name, value in pairs}
            answer: dict[str, Any] = json.loads(
                await reader.readexactly(int(headers["content-length"]))
            )
        except BaseException:
            writer.close()
            raise
        self._idle.append((time.monotonic(), reader, writer))
        status = int(lines[0].split(" ")[1])
        label = answer.get("prediction")
        version = headers.get("x-model-version", "").partition(":")[2]
        return status, version, None if label is None else str(label)

    async def _connection(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """The one that was used last, or a new one."""
        while self._idle:
            since, reader, writer = self._idle.pop()
            if time.monotonic() - since < _IDLE_SECONDS:
                return reader, writer
            writer.close()
        return await asyncio.open_connection(self._host, self._port)
