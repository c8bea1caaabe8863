"""How long one request keeps all others waiting: the worst bodies that are known, each by itself.

    python -m bench.stalls [--only base64]

Every figure is processor time of the event loop, and of what holds the interpreter's lock instead
of it, between two of its turns: see ``bench.beating``. Linux only.
"""

import base64
import gzip
import io
import json
import socket
import struct
import sys
import urllib.request
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

import click
from PIL import Image

from bench.machine import heading
from bench.process import ROOT
from bench.table import markdown

LIMIT_SECONDS: Final = 0.020
WORK_SECONDS: Final = 0.0035
"""What ``bench.beating.WORK`` takes on the machine for which the limit holds."""

SIZE: Final = 10 * 2**20 - 1024
HEAD: Final = b'{"request_id": "1", "model": "clf", "image": "'

PREDICT = "/predict/"
BATCH = "/predict/batch/"
FEEDBACK = "/feedback/"


class Ask(NamedTuple):
    """A body, where it is sent, and with which further headers."""

    path: str
    body: bytes
    headers: tuple[str, ...] = ()


def filled(unit: bytes, begin: bytes = HEAD, end: bytes = b'"}', size: int = SIZE) -> bytes:
    return begin + unit * ((size - len(begin) - len(end)) // len(unit)) + end


def image(data: bytes) -> Ask:
    return Ask(PREDICT, HEAD + base64.b64encode(data) + b'"}')


def items(item: bytes, count: int, more: bytes = b"") -> bytes:
    return b'{"model": "clf", "items": [' + b",".join([item] * count) + b"]" + more + b"}"


def form(parts: bytes) -> Ask:
    kind = "Content-Type: multipart/form-data; boundary=b"
    return Ask(PREDICT, parts + b"\r\n--b--\r\n", (kind,))


def jpeg(side: int = 8) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (side, side)).save(buffer, "JPEG")
    return buffer.getvalue()


def segmented(count: int) -> bytes:
    """A JPEG with that many empty segments of metadata."""
    data = jpeg()
    return data[:2] + b"\xff\xe5\0\2" * count + data[2:]


def chunked_png(count: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("L", (8, 8)).save(buffer, "PNG")
    data = buffer.getvalue()
    text = struct.pack(">I", 0) + b"tEXt" + struct.pack(">I", zlib.crc32(b"tEXt"))
    return data[:33] + text * count + data[33:]


def png_of(width: int, height: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGBA", (width, height)).save(buffer, "PNG")
    return buffer.getvalue()


def label(number: int, more: bytes = b"") -> bytes:
    return b'{"request_id": "%0128d", "label": 1%s}' % (number, more)


JPEG_HEAD: Final = jpeg()[:-2]

INPUTS: Final[dict[str, Callable[[], Ask]]] = {
    "JSON: plain base64": lambda: Ask(PREDICT, filled(b"AAAA")),
    "JSON: escaped slashes": lambda: Ask(PREDICT, filled(b"\\/")),
    "JSON: escaped letters": lambda: Ask(PREDICT, filled(b"\\u0041")),
    "JSON: escaped accents": lambda: Ask(PREDICT, filled(b"\\u00e9")),
    "JSON: pairs of surrogates": lambda: Ask(PREDICT, filled(b"\\ud83d\\ude00")),
    "JSON: accents": lambda: Ask(PREDICT, filled("aé".encode())),
    "JSON: an emoji at the end": lambda: Ask(PREDICT, filled(b"AAAA", end='😀"}'.encode())),
    "JSON: backslashes": lambda: Ask(PREDICT, filled(b"\\\\")),
    "JSON: quotes": lambda: Ask(PREDICT, filled(b'\\"')),
    "JSON: blanks": lambda: Ask(PREDICT, filled(b" ", b'{"a":', b"1}")),
    "JSON: digits": lambda: Ask(PREDICT, filled(b"1", b'{"a":', b"}")),
    "JSON: a long name": lambda: Ask(PREDICT, filled(b"A", b'{"', b'": 1}')),
    "JSON: brackets": lambda: Ask(PREDICT, filled(b"[],", b'{"a":[', b"1]}")),
    "JSON: nested": lambda: Ask(PREDICT, filled(b"[", b'{"a":', b"}")),
    "JSON: objects": lambda: Ask(PREDICT, filled(b'{"a":1},', b'{"a":[', b"1]}")),
    "JSON: short strings": lambda: Ask(PREDICT, filled(b'"",', b'{"a":[', b"1]}")),
    "JSON: strings of 300 bytes": lambda: Ask(
        PREDICT, filled(b'"' + b"A" * 300 + b'",', b'{"a":[', b"1]}")
    ),
    "JSON: brackets in 256 KB": lambda: Ask(PREDICT, filled(b"[],", b'{"a":[', b"1]}", 262_000)),
    "JSON: brackets in 64 KB": lambda: Ask(PREDICT, filled(b"[],", b'{"a":[', b"1]}", 65_000)),
    "JSON: UTF-16": lambda: Ask(
        PREDICT, b"\xff\xfe" + filled(b"A", size=SIZE // 2).decode().encode("utf-16-le")
    ),
    "JSON: UTF-16, broken": lambda: Ask(PREDICT, b"\xff\xfe" + b"\0\xd8" * (SIZE // 2)),
    "JSON: not UTF-8": lambda: Ask(PREDICT, filled(b"\xff")),
    "base64: a blank in each group": lambda: Ask(PREDICT, filled(b"AAAA ")),
    "base64: a blank after each": lambda: Ask(PREDICT, filled(b"A ")),
    "base64: blanks": lambda: Ask(PREDICT, filled(b" ")),
    "base64: line breaks": lambda: Ask(PREDICT, filled(b"AAAA\\n")),
    "base64: tabs in a data: URL": lambda: Ask(
        PREDICT, filled(b"A\\t", HEAD + b"data:image/png;base64,")
    ),
    "base64: percent-encoded": lambda: Ask(
        PREDICT, filled(b"%2B", HEAD + b"data:image/png;base64,")
    ),
    "base64: percent-encoded, small": lambda: Ask(
        PREDICT, filled(b"%2b", HEAD + b"data:image/png;base64,")
    ),
    "base64: URL-safe": lambda: Ask(PREDICT, filled(b"A-_A")),
    "base64: wrong at the end": lambda: Ask(PREDICT, filled(b"AAAA", end=b'!"}')),
    "base64: blanks in 256 KB": lambda: Ask(PREDICT, filled(b"A ", size=262_000)),
    "JPEG: fill bytes": lambda: image(b"\xff\xd8" + b"\xff" * 7_500_000),
    "JPEG: stuffed bytes": lambda: image(b"\xff\xd8\xff" + b"\0\xff" * 3_700_000),
    "JPEG: no end": lambda: image(JPEG_HEAD + b"\xff\xda" * 3_700_000),
    "JPEG: scans": lambda: image(JPEG_HEAD + b"\xff\xda\0" * 2_500_000 + b"\xff\xd9"),
    "JPEG: an end early": lambda: image(jpeg() + b"\xd9" * 7_500_000),
    "JPEG: 4,000 segments": lambda: image(segmented(3_900)),
    "PNG: 4,000 chunks": lambda: image(chunked_png(3_900)),
    "GIF: nothing": lambda: image(b"GIF89a\1\0\1\0\0\0\0" + b"\0" * 7_500_000),
    "PNG: 25 megapixels": lambda: image(png_of(5000, 5000)),
    "PNG: a line": lambda: image(png_of(65_000, 3)),
    "batch: 256 of 4,000 segments": lambda: Ask(
        BATCH,
        items(b'{"request_id": "1", "image": "%s"}' % base64.b64encode(segmented(3_900)), 256),
    ),
    "batch: 256 of 4,000 chunks": lambda: Ask(
        BATCH,
        items(b'{"request_id": "1", "image": "%s"}' % base64.b64encode(chunked_png(2_200)), 256),
    ),
    "batch: 256 of 300x300": lambda: Ask(
        BATCH, items(b'{"request_id": "1", "image": "%s"}' % base64.b64encode(jpeg(300)), 256)
    ),
    "batch: 256 of 8x8": lambda: Ask(
        BATCH, items(b'{"request_id": "1", "image": "%s"}' % base64.b64encode(jpeg()), 256)
    ),
    "batch: 256 of 1000x1000": lambda: Ask(
        BATCH,
        items(b'{"request_id": "1", "image": "%s"}' % base64.b64encode(png_of(1000, 1000)), 256),
    ),
    "batch: 256 of no image": lambda: Ask(
        BATCH, items(b'{"request_id": "1", "image": "%s"}' % (b"A " * 20_000), 256)
    ),
    "batch: 256 without image": lambda: Ask(BATCH, items(b"{}", 256)),
    "labels: 1,000": lambda: Ask(FEEDBACK, items(label(1), 1000)),
    "labels: 1,000 wrong": lambda: Ask(FEEDBACK, items(b"{}", 1000)),
    "labels: 1,000 with images": lambda: Ask(
        FEEDBACK,
        items(
            label(1, b', "model": "clf", "image": "%s"' % base64.b64encode(jpeg())),
            1000,
        ),
    ),
    "labels: 1,000 with blanks": lambda: Ask(
        FEEDBACK, items(label(1, b', "model": "clf", "image": "%s"' % (b"A " * 5_000)), 1000)
    ),
    "form: empty parts": lambda: form(filled(b"--b\r\n\r\n\r\n", b"", b"")),
    "form: a long header": lambda: form(filled(b"a", b"--b\r\nA: ", b"")),
    "form: a long header in 256 KB": lambda: form(filled(b"a", b"--b\r\nA: ", b"", 262_000)),
    "form: nothing but dashes": lambda: form(filled(b"\r\n--", b"--b\r\n\r\n", b"")),
    "form: dashes in 256 KB": lambda: form(
        filled(
            b"\r\n--",
            b'--b\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n',
            b"",
            262_000,
        )
    ),
    "gzip: of nothing": lambda: Ask(
        PREDICT, gzip.compress(filled(b" ")), ("Content-Encoding: gzip",)
    ),
    "raw: a JPEG of fill bytes": lambda: Ask(
        PREDICT, b"\xff\xd8" + b"\xff" * SIZE, ("Content-Type: image/jpeg",)
    ),
    "query: 16,000 parameters": lambda: Ask(
        f"/predict/clf?{'a&' * 15_000}", jpeg(), ("Content-Type: image/jpeg",)
    ),
}


def requests() -> Iterator[tuple[str, bytes]]:
    """What is no single body: chunks of a byte, and requests in one packet."""
    post = b"POST /predict/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
    close = b"Connection: close\r\n\r\n"
    yield "HTTP: chunks of a byte", post + close + b"1\r\nA\r\n" * 1_000_000 + b"0\r\n\r\n"
    yield (
        "HTTP: chunks of 64 bytes",
        (post + close + (b"40\r\n%s\r\n" % (b"A" * 64)) * 100_000 + b"0\r\n\r\n"),
    )
    yield "HTTP: 20,000 requests at once", b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n" * 20_000
    yield "HTTP: 20,000 unknown paths", b"GET / HTTP/1.0\r\nConnection:keep-alive\r\n\r\n" * 20_000
    yield (
        "HTTP: 100 headers",
        (b"GET /livez HTTP/1.1\r\nHost: x\r\n" + b"a: b\r\n" * 98 + b"\r\n") * 300,
    )
    yield "HTTP: a path of 30 KB", b"GET /%s HTTP/1.1\r\nHost: x\r\n\r\n" % (b"%41" * 10_000) * 8


class Stall(NamedTuple):
    """``seconds``: the longest. ``slowness``: of the machine, at that moment, at least 1."""

    title: str
    seconds: float
    slowness: float
    status: str

    @property
    def is_short(self) -> bool:
        return self.seconds <= LIMIT_SECONDS * self.slowness


def measure(port: int, title: str, packet: bytes) -> Stall:
    """Send a packet, wait for all answers, and ask for the longest stall."""
    _heartbeat(port)
    status = exchange(port, packet)
    longest, work = _heartbeat(port)
    return Stall(title, longest, max(1.0, work / WORK_SECONDS), status)


def packet(ask: Ask) -> bytes:
    lines = [
        f"POST {ask.path} HTTP/1.1",
        "Host: x",
        "Connection: close",
        f"Content-Length: {len(ask.body)}",
        *ask.headers,
        "",
        "",
    ]
    return "\r\n".join(lines).encode() + ask.body


def exchange(port: int, content: bytes) -> str:
    """The status of the first answer. Reads until the server closes, or is silent."""
    answer = b""
    with socket.create_connection(("127.0.0.1", port), 60) as client:
        client.settimeout(0.02)
        left = memoryview(content)
        idle = 0
        while idle < (50 if left or answer else 1500):
            try:
                if left:
                    left = left[client.send(left[:262_144]) :]
                else:
                    received = client.recv(1 << 20)
                    if not received:
                        break
                    answer = answer or received
                idle = 0
            except TimeoutError:
                idle += 1
                if left:
                    try:
                        answer = client.recv(1 << 20) or answer
                    except TimeoutError:
                        continue
            except ConnectionError:
                break
    return answer[9:12].decode() or "none"


def _heartbeat(port: int) -> tuple[float, float]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/stalls/", timeout=60) as response:
        beat = json.load(response)
    return beat["longest"], beat["work"]


def stalls(port: int, only: str = "") -> Iterator[Stall]:
    for title, make in INPUTS.items():
        if title.startswith(only):
            yield measure(port, title, packet(make()))
    for title, content in requests():
        if title.startswith(only):
            yield measure(port, title, content)


def report(found: list[Stall], arguments: str) -> str:
    rows = [
        [
            one.title,
            f"{one.seconds * 1e3:.1f}",
            f"{one.seconds / one.slowness * 1e3:.1f}",
            one.status,
        ]
        for one in found
    ]
    head = ("", "longest stall ms", "on a quiet machine", "status")
    title = heading("Stalls", ["python -m bench.stalls", arguments])
    return "\n".join([title, markdown(head, rows)]) + "\n"


@click.command(context_settings={"show_default": True, "max_content_width": 100})
@click.option("--only", default="", help="Inputs that begin so.")
@click.option("--port", type=int, help="Of a server of bench.beating that runs already.")
@click.option("--output", default=ROOT / "bench" / "stalls.md", type=click.Path(path_type=Path))
def main(only: str, port: int, output: Path) -> None:
    """Say how long one request holds the others up."""
    found = []
    for one in stalls(port, only):
        found.append(one)
        click.echo(f"{one.seconds * 1e3:8.1f} ms  {one.slowness:.1f}  {one.status}  {one.title}")
    text = report(found, " ".join(sys.argv[1:]))
    output.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(prog_name="python -m bench.stalls")
