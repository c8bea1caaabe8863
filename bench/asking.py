"""A client that keeps of each answer when it came, and from which version.

    python -m bench.asking <port> <connections> <seconds> <file.npz> [<requests per second>]

Each connection asks again once it is answered, or when it is time to, with a new request id and one
of the digits. SIGTERM ends it early. It has a process of its own, so that what the bench does
meanwhile delays no request.
"""

import asyncio
import json
import signal
import subprocess
import sys
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import uvloop
from numpy.typing import NDArray

from bench.process import ROOT


@dataclass(frozen=True)
class Answers:
    """``begun`` and ``ended``: float64 [N], in the seconds of ``time.monotonic``; ``status``: int64
    [N], 0 where no answer came; ``version``: str [N], tags; ``label``: str [N], JSON; ``image``:
    int64 [N], its place among the digits."""

    begun: NDArray[np.float64]
    ended: NDArray[np.float64]
    status: NDArray[np.int64]
    version: NDArray[np.str_]
    label: NDArray[np.str_]
    image: NDArray[np.int64]

    @property
    def failed(self) -> int:
        return int((self.status != 200).sum())

    def p99_ms(self, within: NDArray[np.bool_]) -> float:
        return float(np.quantile((self.ended - self.begun)[within], 0.99) * 1000)


@dataclass(frozen=True)
class Asking:
    """It is going on; ``stop`` waits for its end."""

    process: subprocess.Popen[bytes]
    file: Path

    def end(self) -> Answers:
        """Before its time."""
        self.process.terminate()
        return self.stop()

    def stop(self) -> Answers:
        self.process.wait()
        with np.load(self.file) as found:
            return Answers(**{name: found[name] for name in Answers.__annotations__})


def asking(port: int, connections: int, seconds: float, file: Path, rate: float = 0) -> Asking:
    """Ask from now on; ``rate``: requests per second of all, 0 for as many as there can be."""
    command = [sys.executable, "-m", "bench.asking"]
    arguments = [str(port), str(connections), str(seconds), str(file), str(rate)]
    return Asking(subprocess.Popen([*command, *arguments], cwd=ROOT), file)


class _Client:
    def __init__(self, port: int, images: list[str], seconds: float, pause: float) -> None:
        self.port, self.images, self.pause = port, images, pause
        self.ends = time.monotonic() + seconds
        self.rows: dict[str, list[object]] = defaultdict(list)

    async def ask(self, name: int) -> None:
        number = 0
        while time.monotonic() < self.ends:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            except OSError:
                await asyncio.sleep(0.01)
                continue
            try:
                while time.monotonic() < self.ends:
                    number += 1
                    begun = time.monotonic()
                    await self.one(reader, writer, name, number)
                    if self.pause:
                        await asyncio.sleep(max(0.0, begun + self.pause - time.monotonic()))
            except (OSError, asyncio.IncompleteReadError):
                continue
            finally:
                writer.close()

    async def one(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, name: int, number: int
    ) -> None:
        place = place_of(name, number, len(self.images))
        body = b'{"request_id":"%d-%d","model":"clf","image":"%s"}' % (
            name,
            number,
            self.images[place].encode(),
        )
        begun = time.monotonic()
        status, version, label = 0, "", ""
        try:
            writer.write(
                b"POST /predict/ HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body)
                + body
            )
            head = await reader.readuntil(b"\r\n\r\n")
            headers = dict(
                line.split(b": ", 1) for line in head.lower().split(b"\r\n")[1:] if b": " in line
            )
            content = await reader.readexactly(int(headers[b"content-length"]))
            status = int(head[9:12])
            version = headers.get(b"x-model-version", b"").decode()
            label = json.dumps(json.loads(content).get("prediction"))
        finally:
            row = {
                "begun": begun,
                "ended": time.monotonic(),
                "status": status,
                "version": version,
                "label": label,
                "image": place,
            }
            for key, value in row.items():
                self.rows[key].append(value)


def place_of(name: int, number: int, images: int) -> int:
    """Of the image that a connection, by its ``name``, sends with its request ``number``."""
    return (number * 31 + name * 97) % images


def images() -> list[str]:
    """The digits as base64 of JPEGs."""
    import base64

    from bench.material import digits

    return [base64.b64encode(content).decode() for content in digits()]


async def _run(port: int, connections: int, seconds: float, rate: float) -> dict[str, list[object]]:
    client = _Client(port, images(), seconds, connections / rate if rate else 0.0)
    client.ends = time.monotonic() + seconds
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, setattr, client, "ends", 0.0)
    await asyncio.gather(*(client.ask(number) for number in range(connections)))
    return client.rows


def main() -> None:
    port, connections, seconds, file, rate = [*sys.argv[1:], "0"][:5]
    rows = uvloop.run(_run(int(port), int(connections), float(seconds), float(rate)))
    arrays: dict[str, Any] = {name: np.array(values) for name, values in rows.items()}
    np.savez(file, **arrays)


if __name__ == "__main__":
    main()
