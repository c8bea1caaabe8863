"""What traces cost: alone, and in servers that trace nobody, none, a hundredth, or all.

    python -m bench.tracing [--rounds 5]

The steps of a trace are timed in this process. Then servers that differ in nothing but
``PUPILA_TRACING_ENDPOINT`` and ``PUPILA_TRACING_RATIO`` take turns; their collector is a process of
its own, which reads everything and keeps nothing. Linux only.
"""

import contextlib
import multiprocessing
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection
from pathlib import Path

import click
from starlette.types import Scope

from bench.machine import heading
from bench.measurement import best_microseconds
from bench.process import ROOT
from bench.servers import Server
from bench.table import markdown
from bench.variants import CONNECTIONS, costs, variant
from serving.endpoint import Endpoint
from serving.tracing.spans import Spans
from serving.tracing.trace import TRACE, Run, Trace, Turn, clock, ran
from serving.tracing.tracer import Tracer

EACH = 1000

# None: no collector is set.
RATIOS = (None, 0.0, 0.01, 1.0)
SCOPE: Scope = {
    "method": "POST",
    "path": "/predict/",
    "scheme": "http",
    "http_version": "1.1",
    "server": ("127.0.0.1", 8000),
    "headers": [
        (b"host", b"127.0.0.1:8000"),
        (b"user-agent", b"python-httpx/0.28.1"),
        (b"accept", b"*/*"),
        (b"content-type", b"application/json"),
        (b"content-length", b"612"),
    ],
}


class Item:
    """As one of a batcher's queue."""

    def __init__(self) -> None:
        self.turn: Turn | None = None


def request(tracer: Tracer | None) -> None:
    """What the endpoint, the decoder and the batcher do for traces."""
    trace = None if tracer is None else tracer.begin(SCOPE, 0.0)
    began = clock() if TRACE.get() is not None else 0.0
    item = Item()
    if TRACE.get() is not None:
        item.turn = Turn(0)
    if item.turn is not None:
        item.turn.taken = clock()
        ran([item], Run({"pupila.model": "clf", "pupila.version": "a"}, 1, clock(), 0.0))
    if trace is not None and item.turn is not None and tracer is not None:
        trace.stage("body", 0.0, **{"http.request.body.size": 612})
        trace.stage("decode", began, **{"pupila.image.size": 364})
        trace.passed(item.turn)
        tracer.end(
            trace,
            SCOPE,
            "/predict/",
            200,
            0.0,
            tag="clf:zpkt36hjuwryaax4",
            request_id="request-123",
            error=None,
        )


def nothing() -> None:
    """What ``request`` is without any of it, to be taken off."""
    Item()


def alone(ratio: float | None) -> float:
    """Microseconds that noting takes of a request, in its own time."""
    Endpoint.tracer = None
    tracer = None if ratio is None else Tracer(ratio, lambda _: None)

    def noting() -> None:
        for _ in range(EACH):
            request(tracer)

    def bare() -> None:
        for _ in range(EACH):
            nothing()

    return (best_microseconds(noting) - best_microseconds(bare)) / EACH


def encoding() -> float:
    """Microseconds that the thread takes for the spans of a traced request."""
    traces: list[Trace] = []
    tracer = Tracer(1, traces.append)
    for _ in range(85):  # as many as a request to a collector has
        request(tracer)
    spans = Spans("pupila", "1", 1, {})
    return best_microseconds(lambda: spans.encoded(traces)) / len(traces)


class Discarding(BaseHTTPRequestHandler):
    """Takes everything."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing."""


def _collect(told: Connection) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Discarding) as server:
        told.send(server.server_address[1])
        server.serve_forever()


@contextlib.contextmanager
def collecting() -> Iterator[str]:
    """The URL of a collector, in a process of its own."""
    told, tells = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.get_context("spawn").Process(target=_collect, args=(tells,))
    process.start()
    try:
        yield f"http://127.0.0.1:{told.recv()}"
    finally:
        process.terminate()
        process.join()


def traced(ratio: float | None, collector: str) -> Server:
    """Pupila with this ratio."""
    if ratio is None:
        return variant("tracing-off")
    return variant(
        f"tracing-{ratio:g}", PUPILA_TRACING_ENDPOINT=collector, PUPILA_TRACING_RATIO=str(ratio)
    )


@click.command(context_settings={"show_default": True, "max_content_width": 100})
@click.option("--rounds", default=5, type=click.IntRange(1))
@click.option("--seconds", default=2.0, type=click.FloatRange(0.5), help="Of each measurement.")
@click.option("--output", default=ROOT / "bench" / "tracing.md", type=click.Path(path_type=Path))
def main(rounds: int, seconds: float, output: Path) -> None:
    """Say what traces cost."""
    parts = [alone(ratio) for ratio in RATIOS]
    thread = encoding()
    with collecting() as collector:
        whole = costs([traced(ratio, collector) for ratio in RATIOS], rounds, seconds)
    rows = [
        (
            "no collector" if ratio is None else f"{ratio:g}",
            f"{part:.2f} µs",
            f"{all_.microseconds:.1f} µs",
            f"{all_.ratio:.3f}",
        )
        for ratio, part, all_ in zip(RATIOS, parts, whole, strict=True)
    ]
    text = "\n".join(
        [
            heading("Traces", ["python -m bench.tracing", " ".join(sys.argv[1:])]),
            "What is noted while a request is answered, alone, the best of many runs; then the",
            f"whole request in processor time, thread included, with {CONNECTIONS} connections:",
            f"medians of {rounds} rounds and their ratios to no collector.\n",
            markdown(("`PUPILA_TRACING_RATIO`", "noted", "whole request", "ratio"), rows),
            f"\nThe thread takes {thread:.1f} µs to make and encode the six spans of a request,",
            "and what sending them takes, for up to 85 requests together.",
        ]
    )
    output.write_text(text + "\n", encoding="utf-8")
    click.echo(text)


if __name__ == "__main__":
    main(prog_name="python -m bench.tracing")
