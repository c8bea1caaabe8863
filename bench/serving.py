"""Pupila against other servers: same machine, images, estimator and client, in turns.

    make bench ARGS="--servers pupila,fastapi_memory,floor --rounds 5"
    python -m bench.serving --help

For each model all servers are started and kept, but only the one whose turn it is has the
processor: the others are stopped with SIGSTOP. So none costs the others anything but memory, all
are as warm as after hours, and a turn needs no start-up, which is tens of seconds for some. Turns
go round by round, so that what else happens on the machine meets all; figures are medians over the
rounds, ratios are taken within a round. A lone client is measured right before and right after 32,
in one turn. Linux only.
"""

import contextlib
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import click

from bench.claims import claims
from bench.machine import heading, installed
from bench.material import MODELS
from bench.measurement import Measurement, Measurements, Stage, distinct
from bench.options import listed
from bench.plan import Result
from bench.process import ROOT, StartError
from bench.runner import WARM_SECONDS, Runner, make_material, start
from bench.servers import CEILING, SERVERS, VENVS, InstallError
from bench.table import claim_table, stage_table

AFTER = 32
TITLES = {name: server.title for name, server in SERVERS.items()} | {
    CEILING: "ceiling: scikit-learn alone, batches of as many"
}


def ceiling(model: Path, stage: Stage, seconds: float) -> Result:
    """scikit-learn alone, in batches of as many images as there would be clients."""
    command = [sys.executable, "-m", "bench.peers.ceiling", "--batch", str(stage.clients)]
    done = subprocess.run(
        [*command, "--seconds", str(seconds)],
        cwd=ROOT,
        env=os.environ | {"BENCH_MODEL": str(model)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return Result(**json.loads(done.stdout))


def compare(
    model: str,
    folder: Path,
    names: list[str],
    turns: list[list[Stage]],
    rounds: int,
    seconds: float,
) -> tuple[Measurements, list[str]]:
    """All rounds of one model, and a line for each server that was left out."""
    found, left_out = Measurements(), []
    home = make_material(model, folder)
    with contextlib.ExitStack() as stack:
        runners: list[Runner] = []
        for name in names:
            if name == CEILING:
                continue
            click.echo(f"{model}: starting {name}", err=True)
            try:
                runner = stack.enter_context(start(SERVERS[name], home))
            except (InstallError, StartError) as error:
                left_out.append(f"{model}: {name} was left out: {error}")
                click.echo(left_out[-1], err=True)
                continue
            runner.tree.freeze()
            runners.append(runner)
        for number, stages in itertools.product(range(rounds), turns):
            # Another goes first each time.
            order = runners[number % len(runners) :] + runners[: number % len(runners)]
            for runner in order:
                name = runner.server.name
                for stage, result, memory in runner.turn(stages, seconds):
                    found.append(Measurement.of(model, name, stage, number, result, memory))
                    _progress(found[-1])
            for stage in stages:
                if CEILING in names and not stage.after:
                    result = ceiling(home, stage, seconds)
                    found.append(Measurement.of(model, CEILING, stage, number, result, 0.0))
                    _progress(found[-1])
    return found, left_out


def _progress(one: Measurement) -> None:
    click.echo(
        f"{one.model} round {one.round + 1}, {one.stage}, {one.server}: {one.rate:,.0f}/s, "
        f"p50 {one.p50_ms:.2f} ms, {one.cpu_us:,.0f} µs (client {one.client_us:.0f}), "
        f"{one.wrong} not right{f' ({one.first_wrong})' if one.wrong else ''}",
        err=True,
    )


def report(found: Measurements, left_out: list[str], arguments: str) -> str:
    """The whole of results.md."""
    parts = [heading("Pupila and other servers", ["python -m bench.serving", arguments])]
    rounds = len({one.round for one in found})
    client = statistics.median(one.client_us for one in found if one.server != CEILING)
    parts.append(
        f"Medians over {rounds} rounds. Every answer was checked; one that is not 200 with the "
        "right label is not right, and counts in no other column. One worker process each. Memory "
        "is the proportional set size of all processes of a server. The client is on the same "
        f"machine, and takes {client:.0f} µs of a core for an answer.\n"
    )
    parts += [f"- {line}" for line in left_out]
    for model in distinct(one.model for one in found):
        parts.append(f"\n## `{model}`: {MODELS[model]}\n")
        chosen = [one for one in found if one.model == model]
        for stage in sorted({one.stage for one in chosen}, key=lambda s: (s.clients, s.after or 0)):
            parts += [f"### {stage}\n", stage_table(found, model, stage, TITLES), ""]
    parts += ["\n## Ratios\n", claim_table(claims(found)), "\n## Libraries of the others\n"]
    venvs = {server.venv: server.name for server in SERVERS.values() if server.venv}
    parts += [
        f"- {venv}: {installed(VENVS / venv)}."
        for venv in venvs
        if any(SERVERS[one.server].venv == venv for one in found if one.server in SERVERS)
    ]
    return "\n".join(parts) + "\n"


NAMES = (*SERVERS, CEILING)


@click.command(context_settings={"show_default": True, "max_content_width": 100})
@click.option("--models", default="all", callback=listed(tuple(MODELS)), help=", ".join(MODELS))
@click.option("--servers", default="all", callback=listed(NAMES), help=", ".join(NAMES))
@click.option("--clients", default="1,8,32,128", help="Numbers of clients at once.")
@click.option("--rounds", default=5, type=click.IntRange(1))
@click.option("--seconds", default=3.0, type=click.FloatRange(0.1), help="Of each measurement.")
@click.option("--output", default=ROOT / "bench" / "results.md", type=click.Path(path_type=Path))
def main(
    models: list[str], servers: list[str], clients: str, rounds: int, seconds: float, output: Path
) -> None:
    """Compare servers. Peers' libraries are installed under .bench/ where they are missing."""
    numbers = [int(number) for number in clients.split(",")]
    lone = [Stage(1)] if 1 in numbers and AFTER in numbers else []
    turns = [
        [*lone, Stage(number), Stage(1, AFTER)] if number == AFTER else [Stage(number)]
        for number in numbers
        if number != 1 or not lone
    ]
    measurements = (len(numbers) + (AFTER in numbers)) * rounds * len(servers) * len(models)
    minutes = measurements * (seconds + WARM_SECONDS + 1) / 60
    click.echo(f"About {minutes:.0f} minutes, and the time to start all servers.", err=True)
    found, left_out = Measurements(), []
    with tempfile.TemporaryDirectory(prefix="pupila-bench-") as folder:
        for model in models:
            more, missing = compare(model, Path(folder), servers, turns, rounds, seconds)
            found += more
            left_out += missing
            # After each, because the whole takes long.
            text = report(found, left_out, " ".join(sys.argv[1:]))
            output.write_text(text, encoding="utf-8")
    click.echo(text)


if __name__ == "__main__":
    main(prog_name="python -m bench.serving")
