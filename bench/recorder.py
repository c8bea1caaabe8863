"""What it costs to keep records: Pupila with them and without, in turns.

    python -m bench.recorder [--models logistic] [--clients 1,32] [--rounds 9] [--seconds 3]

Both servers are started and kept, and only the one whose turn it is has the processor, as in
``bench.serving``. ``--setting NAME=VALUE`` changes the server that keeps records, such as
``RECORD_PER_MINUTE=100000000`` for all predictions. Ratios are taken within a round. Linux only.
"""

import contextlib
import itertools
import sqlite3
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import click

from bench.machine import heading
from bench.material import MODELS
from bench.measurement import Measurement, Measurements, Stage
from bench.process import ROOT
from bench.runner import make_material, start
from bench.servers import SERVERS, Launch, Server
from bench.table import markdown, number, stage_table

ON, OFF = "recorder_on", "recorder_off"
TITLES = {ON: "with records", OFF: "without"}
LEAST = 0.95


def server(name: str, **settings: str) -> Server:
    """Pupila, with settings."""
    plain = SERVERS["pupila"]

    def launch(binaries: Path, port: int, model: Path) -> Launch:
        base = plain.launch(binaries, port, model)
        return Launch(base.command, {**base.settings, **settings})

    return replace(plain, name=name, launch=launch)


def compare(
    home: Path, stages: Sequence[Stage], rounds: int, seconds: float, settings: Mapping[str, str]
) -> Measurements:
    """Both servers under each load, round by round, another one first each time."""
    found = Measurements()
    servers = [server(ON, **settings), server(OFF, PUPILA_RECORD="false")]
    with contextlib.ExitStack() as stack:
        runners = [stack.enter_context(start(one, home)) for one in servers]
        for runner in runners:
            runner.tree.freeze()
        for turn, stage in itertools.product(range(rounds), stages):
            for runner in runners if turn % 2 else reversed(runners):
                for _, result, memory in runner.turn([stage], seconds):
                    name = runner.server.name
                    found.append(Measurement.of(home.name, name, stage, turn, result, memory))
                    click.echo(
                        f"{home.name} round {turn + 1}, {stage}, {TITLES[name]}: "
                        f"{found[-1].rate:,.0f}/s, {found[-1].cpu_us:.1f} µs, "
                        f"{found[-1].wrong} not right",
                        err=True,
                    )
    return found


def ratios(found: Measurements, model: str, stages: Sequence[Stage]) -> list[list[str]]:
    rows = []
    for stage in stages:
        on, off = found.of(model, ON, stage), found.of(model, OFF, stage)
        rate = on.ratio(off, "rate")
        rows.append(
            [
                f"{model}, {stage}",
                number(rate),
                " to ".join(map(number, quartiles(on, off))),
                number(on.ratio(off, "cpu_us")),
                number(on.ratio(off, "p99_ms")),
                "pass" if rate is not None and rate >= LEAST else "miss",
            ]
        )
    return rows


def quartiles(on: Measurements, off: Measurements) -> tuple[float, float]:
    """Between which half of the rounds' ratios of requests a second lie: how noisy they are."""
    theirs = {one.round: one.rate for one in off if one.rate}
    found = [one.rate / theirs[one.round] for one in on if one.round in theirs]
    if len(found) < 2:
        return found[0], found[0]
    first, _, third = statistics.quantiles(found, n=4)
    return first, third


def kept(home: Path) -> str:
    """What is in the database at the end, against what was asked."""
    with contextlib.closing(sqlite3.connect(home / "pupila" / "records.db")) as database:
        [rows, weight] = database.execute(
            "select count(*), sum(weight) from predictions"
        ).fetchone()
        [asked] = database.execute("select sum(count) from traffic where kind='status'").fetchone()
    return f"{rows:,} predictions kept, whose weights add up to {weight:,.0f} of {asked:,} asked."


@click.command(context_settings={"show_default": True, "max_content_width": 100})
@click.option("--models", default="logistic", help=", ".join(MODELS))
@click.option("--clients", default="1,32", help="Numbers of clients at once.")
@click.option("--rounds", default=9, type=click.IntRange(1))
@click.option("--seconds", default=3.0, type=click.FloatRange(0.1), help="Of each measurement.")
@click.option("--setting", "chosen", multiple=True, metavar="NAME=VALUE", help="Of the recorder.")
@click.option("--output", default=ROOT / "bench" / "recorder.md", type=click.Path(path_type=Path))
def main(
    models: str, clients: str, rounds: int, seconds: float, chosen: Sequence[str], output: Path
) -> None:
    """Compare Pupila with records and without."""
    settings = {
        f"PUPILA_{name}": value for name, _, value in (one.partition("=") for one in chosen)
    }
    stages = [Stage(int(text)) for text in clients.split(",")]
    parts = [heading("With records and without", ["python -m bench.recorder", *sys.argv[1:]])]
    rows: list[list[str]] = []
    with tempfile.TemporaryDirectory(prefix="pupila-bench-") as folder:
        for model in models.split(","):
            home = make_material(model, Path(folder))
            found = compare(home, stages, rounds, seconds, settings)
            for stage in stages:
                parts += [f"\n## `{model}`, {stage}\n", stage_table(found, model, stage, TITLES)]
            parts.append(f"\n{kept(home)}")
            rows += ratios(found, model, stages)
    head = (
        "with records / without",
        "requests/s",
        "half of them",
        "CPU/request",
        "p99",
        f"≥ {LEAST}",
    )
    parts += [f"\n## Ratios\n\nMedians of {rounds} rounds' ratios.\n", markdown(head, rows)]
    text = "\n".join(parts) + "\n"
    output.write_text(text, encoding="utf-8")
    click.echo(text)


if __name__ == "__main__":
    main(prog_name="python -m bench.recorder")
