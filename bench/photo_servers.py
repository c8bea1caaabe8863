"""Photos with a feature extractor: Pupila and its peers, and how near it comes to a bare loop.

    python -m bench.photo_servers [--rounds 5] [--seconds 5] [--sizes "30 KB"] [--servers pupila]
                                  [--against ../earlier]

The servers take turns as in ``bench.serving``; each runs the same network in the same ONNX Runtime
with one worker process, set up as its documentation advises. The loop decodes an image and runs
network and classifier on one thread, in a process of its own: what is left to a server for all
else. It runs just before each of Pupila's turns, on as many processors at once as the clients keep
busy. Pupila remembers no answers here (``PUPILA_CACHED_ANSWERS=0``), as the photos come again; what
that would give is its own line, and so is what it takes where clients send image files as they are
in place of base64. The barest server, threads that keep nothing, shows what any server takes beside
the loop. ``--against``, another checkout, adds the server of that one. It refuses nobody
who waits for longer than a second (``PUPILA_DEADLINE_MS``), as its peers have no deadline. Small
photos come before each measurement until the records have kept as many as they may at once, as in a
server that is asked all the time. Memory and the time to the first answer are told, too. Linux
only.
"""

import contextlib
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import click

from bench.machine import heading
from bench.measurement import Measurement, Measurements, Quantity, Stage
from bench.options import listed
from bench.parts import other
from bench.photo_material import SIZES
from bench.plan import Result, run
from bench.process import ROOT, StartError
from bench.runner import SETTLE_SECONDS, WARM_SECONDS, Runner, start
from bench.servers import SERVERS, InstallError, Launch, Server
from bench.table import markdown, stage_table

PUPILA = "pupila"
REMEMBERS = "remembers"
FILES = "files"
WORKERS = "workers"
EARLIER = "other"
PATIENT = {"PUPILA_DEADLINE_MS": "60000"}
PEERS = ("fastapi_memory", "litserve", "mlserver")
BARE = "photo_bare"
NAMES = (PUPILA, FILES, WORKERS, REMEMBERS, *PEERS, BARE)

SMALL = "30 KB"
BURST_SECONDS = 4.0
"""The records keep up to 600 of a minute at once."""


def pupila(
    name: str,
    title: str,
    settings: Mapping[str, str],
    dialect: str = "fields",
    base: Server = SERVERS[PUPILA],
) -> Server:
    """Pupila with other settings, or asked in another way."""
    patient = base.with_settings({**PATIENT, **settings})
    return replace(patient, name=name, title=title, dialect=dialect)


def _bare(binaries: Path, port: int, model: Path) -> Launch:
    command = [str(binaries / "python"), "-m", "bench.peers.photo_bare", str(model)]
    return Launch(command, {"PORT": str(port)})


FORGETS = {"PUPILA_CACHED_ANSWERS": "0"}
EACH_CPU = {**FORGETS, "PUPILA_WORKERS": str(os.cpu_count())}

CHOSEN = {
    PUPILA: pupila(PUPILA, "Pupila", FORGETS),
    FILES: pupila(FILES, "Pupila, image files", FORGETS, "file"),
    WORKERS: pupila(WORKERS, "Pupila, a worker for each CPU", EACH_CPU),
    REMEMBERS: pupila(REMEMBERS, "Pupila, remembering answers", {}),
    **{name: SERVERS[name] for name in PEERS},
    BARE: Server(BARE, "threads that keep nothing", "fields", _bare),
}


def make_material(folder: Path) -> Path:
    """The model's folder, filled by a process of its own."""
    home = folder / "photos"
    places = {"BENTOML_HOME": str(home / "home"), "PUPILA_HOME": str(home / "pupila")}
    command = [sys.executable, "-m", "bench.photo_material", str(home)]
    environment = os.environ | places | {"BENTOML_DO_NOT_TRACK": "True"}
    subprocess.run(command, cwd=ROOT, env=environment, check=True)
    return home


def loop(
    home: Path, size: str, stage: Stage, seconds: float, number: int, before: str
) -> Measurement:
    """The processor time of an image that is decoded and classified in a bare loop, ``before`` the
    turn of a server. A minute later, a noisy machine is another one."""
    command = [sys.executable, "-m", "bench.photo_loop", str(home), size, str(seconds)]
    at_once = [
        subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        for _ in range(min(stage.clients, os.cpu_count() or 1))
    ]
    cpu_us = statistics.mean(float(json.loads(one.communicate()[0])) for one in at_once)
    result = Result(seconds, 1, 0, 0.0, 0.0, server_cpu_seconds=cpu_us / 1e6)
    return Measurement.of(size, before, stage, number, result, 0)


@contextlib.contextmanager
def started(
    servers: Mapping[str, Server], home: Path, left_out: list[str]
) -> Iterator[list[tuple[Runner, float]]]:
    """The servers, frozen, each with the seconds until it answered."""
    # With those of earlier runs, the records may be at their budget, and the oldest are deleted
    # meanwhile: 2.5 ms a photo.
    for file in (home / "pupila").glob("records.db*"):
        file.unlink()
    with contextlib.ExitStack() as stack:
        runners = []
        for name, server in servers.items():
            click.echo(f"starting {name}", err=True)
            began = time.monotonic()
            try:
                runner = stack.enter_context(start(server, home))
            except (InstallError, StartError) as error:
                left_out.append(f"{name} was left out: {error}")
                click.echo(left_out[-1], err=True)
                continue
            runners.append((runner, time.monotonic() - began))
            runner.tree.freeze()
        yield runners


def measured(
    runner: Runner, home: Path, size: str, stage: Stage, seconds: float, number: int
) -> Measurement:
    runner.tree.thaw()
    time.sleep(SETTLE_SECONDS)
    try:
        burst = runner.plan(16, BURST_SECONDS, warm=WARM_SECONDS)
        run(replace(burst, images=str(home / f"{SMALL}.json")), wait=600)
        plan = runner.plan(stage.clients, seconds, warm=WARM_SECONDS)
        result = run(replace(plan, images=str(home / f"{size}.json")), wait=600)
        memory = runner.tree.memory_mib()
        one = Measurement.of(size, runner.server.name, stage, number, result, memory)
    finally:
        runner.tree.freeze()
    click.echo(
        f"{size} round {number + 1}, {stage}, {one.server}: {one.rate:.3g}/s, "
        f"p50 {one.p50_ms:.0f} ms, p99 {one.p99_ms:.0f}, {one.cpu_us:,.0f} µs, "
        f"{one.wrong} not right {one.first_wrong}",
        err=True,
    )
    return one


def report(
    servers: Mapping[str, Server],
    found: Measurements,
    loops: Measurements,
    cold: dict[str, float],
    left_out: list[str],
    arguments: str,
) -> str:
    titles = {name: server.title for name, server in servers.items()}
    parts = [
        heading("Photos with an extractor", ["python -m bench.photo_servers", arguments]),
        (
            "EfficientNet-Lite0 and logistic regression. Medians over "
            f"{len({one.round for one in found})} rounds; one worker process each, but where it is "
            "said: a worker for each CPU is the default.\n"
        ),
        *(f"- {line}\n" for line in left_out),
    ]
    sizes = list(dict.fromkeys(one.model for one in found))
    stages = sorted({one.stage for one in found}, key=lambda stage: stage.clients)
    for size, stage in itertools.product(sizes, stages):
        parts += [f"## {size}, {stage}\n", stage_table(found, size, stage, titles), ""]
    parts += ["## What it must show\n", markdown(HEAD, claims(found, loops, stages)), ""]
    rows = [[titles[name], f"{seconds:.1f}"] for name, seconds in cold.items()]
    parts += ["## Start\n", markdown(("from the command to the first answer", "s"), rows), ""]
    return "\n".join(parts)


OURS = {PUPILA: "", FILES: ", image files", WORKERS: ", a worker for each CPU"}
AGAINST: Mapping[str, Quantity] = {
    "requests/s / the other checkout's, a worker for each CPU": "rate",
    "processor time / the other checkout's, a worker for each CPU": "cpu_us",
}
HEAD = ("photos", "clients", "", "measured", "target")


def claims(found: Measurements, loops: Measurements, stages: list[Stage]) -> list[list[str]]:
    rows = []
    for size, stage in itertools.product(dict.fromkeys(one.model for one in loops), stages):
        for name, of in OURS.items():
            share = loops.of(size, name, stage).ratio(found.of(size, name, stage), "cpu_us")
            if share is not None:
                what = f"a bare loop's time / ours{of}"
                rows.append([size, str(stage.clients), what, f"{share:.2f}", "≥ 0.9"])
        share = loops.of(size, BARE, stage).ratio(found.of(size, BARE, stage), "cpu_us")
        if share is not None:
            what = "a bare loop's time / that of threads that keep nothing"
            rows.append([size, str(stage.clients), what, f"{share:.2f}", "–"])
        for name, of in OURS.items():
            ratios = [
                ratio
                for peer in PEERS
                if (ratio := found.of(size, name, stage).ratio(found.of(size, peer, stage), "rate"))
                is not None
            ]
            if ratios:
                what = f"requests/s / the best peer's{of}"
                rows.append([size, str(stage.clients), what, f"{min(ratios):.2f}", "≥ 1"])
        mine, earlier = (found.of(size, name, stage) for name in (WORKERS, EARLIER))
        for what, quantity in AGAINST.items():
            change = mine.ratio(earlier, quantity)
            if change is not None:
                rows.append([size, str(stage.clients), what, f"{change:.2f}", "–"])
        for name, of in OURS.items():
            mine = found.of(size, name, stage)
            p50, p99 = mine.median("p50_ms"), mine.median("p99_ms")
            if p50 and p99:
                target = "≤ 2" if stage.clients == max(one.clients for one in stages) else "–"
                rows.append(
                    [size, str(stage.clients), f"p99 / p50{of}", f"{p99 / p50:.2f}", target]
                )
    return rows


@click.command(context_settings={"show_default": True, "max_content_width": 100})
@click.option("--servers", default="all", callback=listed(NAMES), help=", ".join(NAMES))
@click.option("--sizes", default="all", callback=listed(tuple(SIZES)), help=", ".join(SIZES))
@click.option("--clients", default="1,16", help="Numbers of clients at once.")
@click.option("--rounds", default=5, type=click.IntRange(1))
@click.option("--seconds", default=5.0, type=click.FloatRange(0.1), help="Of each measurement.")
@click.option(
    "--material",
    type=click.Path(exists=True, file_okay=False, resolve_path=True, path_type=Path),
    help="A folder that bench.photo_material has filled.",
)
@click.option(
    "--against",
    type=click.Path(exists=True, file_okay=False, resolve_path=True, path_type=Path),
    help="Another checkout, whose server is measured too.",
)
@click.option(
    "--output", default=ROOT / "bench" / "photo_servers.md", type=click.Path(path_type=Path)
)
def main(
    servers: list[str],
    sizes: list[str],
    clients: str,
    rounds: int,
    seconds: float,
    material: Path | None,
    against: Path | None,
    output: Path,
) -> None:
    """Compare servers of photos. Peers' libraries are installed under .bench/."""
    chosen = {name: CHOSEN[name] for name in servers}
    if against is not None:
        earlier = other(against)
        chosen[EARLIER] = pupila(EARLIER, earlier.title, EACH_CPU, base=earlier)
    stages = [Stage(int(number)) for number in clients.split(",")]
    found, loops, left_out = Measurements(), Measurements(), list[str]()
    with tempfile.TemporaryDirectory(prefix="pupila-bench-") as folder:
        home = material or make_material(Path(folder))
        with started(chosen, home, left_out) as runners:
            cold = {runner.server.name: seconds for runner, seconds in runners}
            for number, size in itertools.product(range(rounds), sizes):
                for place in range(len(runners)):
                    # Another goes first each time.
                    runner, _ = runners[(place + number) % len(runners)]
                    for stage in stages:
                        name = runner.server.name
                        if name in OURS or name == BARE:
                            loops.append(loop(home, size, stage, seconds, number, name))
                        found.append(measured(runner, home, size, stage, seconds, number))
                text = report(chosen, found, loops, cold, left_out, " ".join(sys.argv[1:]))
                output.write_text(text, encoding="utf-8")
    click.echo(text)


if __name__ == "__main__":
    main(prog_name="python -m bench.photo_servers")
