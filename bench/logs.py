"""What the access log costs: alone, and in a server that logs no request, a hundredth, or all.

    python -m bench.logs [--rounds 5]

A line is timed in this process, written to a pipe that a thread reads. Then servers that differ in
nothing but ``PUPILA_ACCESS_LOG_RATE`` take turns; they write to a file. Linux only.
"""

import contextlib
import logging
import os
import statistics
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import click

from bench.machine import heading
from bench.measurement import best_microseconds
from bench.plan import run
from bench.process import ROOT
from bench.runner import Runner, make_material, start
from bench.servers import SERVERS, Launch, Server
from bench.table import markdown
from logs.lines import JsonLines
from logs.output import NonBlockingOutput
from serving.access import AccessLog
from settings import Settings

MODEL = "logistic"
RATES = (0.0, 0.01, 1.0)
CONNECTIONS = 32
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


def logged(rate: float) -> Server:
    """Pupila at this rate, with records of its own."""
    base = SERVERS["pupila"]
    name = f"logs-{rate:g}"

    def launch(binaries: Path, port: int, model: Path) -> Launch:
        made = base.launch(binaries, port, model)
        own = {"PUPILA_HOME": str(model / name), "PUPILA_ACCESS_LOG_RATE": str(rate)}
        return Launch(made.command, {**made.settings, **own})

    return replace(base, name=name, title=name, launch=launch)


def cost(runner: Runner, seconds: float) -> float:
    """Microseconds of processor time a request."""
    runner.tree.thaw()
    result = run(runner.plan(CONNECTIONS, seconds, warm=0.5))
    runner.tree.freeze()
    return result.server_cpu_seconds / max(result.right, 1) * 1e6


@click.command(context_settings={"show_default": True, "max_content_width": 100})
@click.option("--rounds", default=5, type=click.IntRange(1))
@click.option("--seconds", default=2.0, type=click.FloatRange(0.5), help="Of each measurement.")
@click.option("--output", default=ROOT / "bench" / "logs.md", type=click.Path(path_type=Path))
def main(rounds: int, seconds: float, output: Path) -> None:
    """Say what the access log costs."""
    parts = [alone(rate) for rate in RATES]
    with tempfile.TemporaryDirectory(prefix="pupila-bench-") as folder, contextlib.ExitStack() as s:
        home = make_material(MODEL, Path(folder))
        runners = []
        for rate in RATES:
            runners.append(s.enter_context(start(logged(rate), home)))
            runners[-1].tree.freeze()
        costs = []
        for number in range(rounds):
            # Another is the first each time: whoever comes after a pause has colder caches.
            order = [(number + step) % len(runners) for step in range(len(runners))]
            found = {place: cost(runners[place], seconds) for place in order}
            costs.append([found[place] for place in range(len(runners))])
    whole = [statistics.median(column) for column in zip(*costs, strict=True)]
    ratios = [
        statistics.median(row[number] / row[0] for row in costs) for number in range(len(RATES))
    ]
    rows = [
        (f"{rate:g}", f"{part:.2f} µs", f"{all_:.1f} µs", f"{ratio:.3f}")
        for rate, part, all_, ratio in zip(RATES, parts, whole, ratios, strict=True)
    ]
    text = "\n".join(
        [
            heading("Logs", ["python -m bench.logs", " ".join(sys.argv[1:])]),
            "The log alone, the best of many runs; the whole request in processor time, with",
            f"{CONNECTIONS} connections: medians of {rounds} rounds and their ratios to rate 0.\n",
            markdown(("`PUPILA_ACCESS_LOG_RATE`", "log alone", "whole request", "ratio"), rows),
            f"\nAt the default rate, the log alone is {parts[1] / whole[0]:.2%} of a request; at",
            f"rate 1, written to a file, a request takes {ratios[2]:.2f} times as much.",
        ]
    )
    output.write_text(text + "\n", encoding="utf-8")
    click.echo(text)


if __name__ == "__main__":
    main(prog_name="python -m bench.logs")
