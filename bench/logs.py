"""What the access log costs: alone, and in a server that logs no request, a hundredth, or all.

    python -m bench.logs [--rounds 5]

A line is timed in this process, written to a pipe that a thread reads. Then servers that differ in
nothing but ``PUPILA_ACCESS_LOG_RATE`` take turns; they write to a file. Linux only.
"""

import contextlib
import logging
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import click

from bench.machine import heading
from bench.measurement import best_microseconds
from bench.process import ROOT
from bench.table import markdown
from bench.variants import CONNECTIONS, costs, variant
from logs.lines import JsonLines
from logs.output import NonBlockingOutput
from serving.access import AccessLog
from settings import Settings

RATES = (0.0, 0.01, 1.0)
EACH = 1000


@contextlib.contextmanager
def logging_to_a_pipe() -> Iterator[None]:
    """As a server does, while somebody reads."""
    reader, writer = os.pipe()

    def read() -> None:
        while os.read(reader, 1_000_000):
            pass

    thread = threading.Thread(target=read)
    thread.start()
    handler = NonBlockingOutput(writer)
    handler.setFormatter(JsonLines(worker=1, pid=os.getpid()))
    logger = logging.getLogger("pupila.access")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        os.close(writer)
        thread.join()
        os.close(reader)


def alone(rate: float) -> float:
    """Microseconds that the access log takes of a request."""
    log = AccessLog(Settings(access_log_rate=rate))

    def some() -> None:
        for _ in range(EACH):
            log.log("/predict/", "request-123", "clf:zpkt36hjuwryaax4", 200, 0.000913)

    with logging_to_a_pipe():
        return best_microseconds(some) / EACH


@click.command(context_settings={"show_default": True, "max_content_width": 100})
@click.option("--rounds", default=5, type=click.IntRange(1))
@click.option("--seconds", default=2.0, type=click.FloatRange(0.5), help="Of each measurement.")
@click.option("--output", default=ROOT / "bench" / "logs.md", type=click.Path(path_type=Path))
def main(rounds: int, seconds: float, output: Path) -> None:
    """Say what the access log costs."""
    parts = [alone(rate) for rate in RATES]
    servers = [variant(f"logs-{rate:g}", PUPILA_ACCESS_LOG_RATE=str(rate)) for rate in RATES]
    whole = costs(servers, rounds, seconds)
    rows = [
        (f"{rate:g}", f"{part:.2f} µs", f"{all_.microseconds:.1f} µs", f"{all_.ratio:.3f}")
        for rate, part, all_ in zip(RATES, parts, whole, strict=True)
    ]
    text = "\n".join(
        [
            heading("Logs", ["python -m bench.logs", " ".join(sys.argv[1:])]),
            "The log alone, the best of many runs; the whole request in processor time, with",
            f"{CONNECTIONS} connections: medians of {rounds} rounds and their ratios to rate 0.\n",
            markdown(("`PUPILA_ACCESS_LOG_RATE`", "log alone", "whole request", "ratio"), rows),
            f"\nAt the default rate, the log alone is {parts[1] / whole[0].microseconds:.2%} of a",
            f"request; at rate 1, written to a file, one takes {whole[2].ratio:.2f} times as much.",
        ]
    )
    output.write_text(text + "\n", encoding="utf-8")
    click.echo(text)


if __name__ == "__main__":
    main(prog_name="python -m bench.logs")
