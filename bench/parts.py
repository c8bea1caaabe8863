"""Where the processor time of a prediction goes: by server, by connections, and by part.

    python -m bench.parts [--rounds 5] [--against ../earlier]

The servers take turns, as in ``bench.serving``: Pupila, the same through BentoML's own layers, and
the floor, which reads nothing. The parts are timed alone in this process, so their caches are warm:
what they leave of the whole is the server's, the event loop's and the kernel's. With the folder of
another checkout, the server of that one takes its turns too: a comparison within one run is the
only one that a shared machine allows. Linux only.
"""

import asyncio
import base64
import contextlib
import itertools
import json
import statistics
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import click
import numpy as np

from bench.dialects import DIALECTS
from bench.machine import heading
from bench.measurement import best_microseconds
from bench.plan import run
from bench.process import ROOT
from bench.runner import SETTLE_SECONDS, Runner, make_material, start
from bench.servers import SERVERS, Launch, Server
from bench.table import markdown
from images.decoding import examine
from models.store import Store
from serving.http.body import read_body
from serving.http.parser import parse_query
from serving.http.reply import json_reply
from serving.http.routes import PREDICT
from serving.inference.admission import Admission
from serving.recording.ledger import Ledger
from serving.series import VersionMetrics
from settings import Settings

MODEL = "logistic"
CONNECTIONS = (32, 128, 512, 2048)
BATCH = 32
OTHER = "Pupila in "


def native() -> Server:
    """Pupila through BentoML's layers."""
    base = SERVERS["pupila"]

    def launch(binaries: Path, port: int, model: Path) -> Launch:
        made = base.launch(binaries, port, model)
        target = "bench.peers.pupila_native:service"
        return Launch([target if word == "." else word for word in made.command], made.settings)

    return replace(base, name="native", title="Pupila through BentoML's layers", launch=launch)


def other(folder: Path) -> Server:
    """Pupila as it is in another checkout, on the libraries of this one."""
    base = SERVERS["pupila"]

    def launch(binaries: Path, port: int, model: Path) -> Launch:
        made = base.launch(binaries, port, model)
        home = {"PUPILA_HOME": str(model / "other")}
        return Launch(
            [str(folder) if word == "." else word for word in made.command],
            {**made.settings, **home},
        )

    return replace(base, name="other", title=f"{OTHER}{folder.name}", launch=launch)


def by_connections(
    runners: list[Runner], rounds: int, seconds: float
) -> dict[tuple[str, int], list[float]]:
    """Microseconds of processor time a request, for each server and number of connections."""
    found: dict[tuple[str, int], list[float]] = {}
    for number, count, place in itertools.product(range(rounds), CONNECTIONS, range(len(runners))):
        # Back and forth, so that none always comes first.
        runner = runners[place if number % 2 else -1 - place]
        runner.tree.thaw()
        result = run(runner.plan(count, seconds, warm=SETTLE_SECONDS + 0.3))
        runner.tree.freeze()
        cost = result.server_cpu_seconds / max(result.right, 1) * 1e6
        found.setdefault((runner.server.title, count), []).append(cost)
    return found


def by_part(model: Path) -> list[tuple[str, float]]:
    """Each part's microseconds an image, the best of many runs: the machine is shared."""
    store = Store(model / "home" / "models")
    version = store.champions()[0]
    manifest, runtime = version.manifest, version.artifact.open()
    image, _ = json.loads((model / "images.json").read_text())[0]
    body = json.dumps(DIALECTS["fields"].body("0", image)).encode()
    data = base64.b64decode(image)
    spec, limit = manifest.image_spec, Settings().max_image_pixels
    pixels = examine(data, limit).pixels(spec)
    features = np.stack([spec.features(pixels)] * BATCH)
    metrics = VersionMetrics("clf", "bench")
    scope = {"type": "http", "headers": [(b"content-length", str(len(body)).encode())]}

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def reading() -> None:
        for _ in range(BATCH):
            await read_body(scope, receive, 1 << 20, lambda _size: None)

    admission, ledger = Admission(Settings()), Ledger(0)

    def place() -> None:
        with admission.slots(1):
            ledger.leave_out(1)

    def each(part: Callable[[], object]) -> float:
        return best_microseconds(lambda: [part() for _ in range(BATCH)]) / BATCH

    return [
        ("reading the body", best_microseconds(lambda: asyncio.run(reading())) / BATCH),
        ("JSON, fields, base64", each(lambda: parse_query(body))),
        ("image header, decoding", each(lambda: examine(data, limit).pixels(spec))),
        ("pixels to features", each(lambda: spec.features(pixels))),
        (
            f"the graph, in a batch of {BATCH}",
            best_microseconds(lambda: runtime.run(features)) / BATCH,
        ),
        ("reply", each(lambda: json_reply({"request_id": "0", "prediction": 8}))),
        ("metrics", each(lambda: metrics.answered(PREDICT.path, 200, 0.001))),
        ("a place in the queue, and a record that is left out", each(place)),
    ]


def report(
    found: dict[tuple[str, int], list[float]], parts: list[tuple[str, float]], arguments: str
) -> str:
    titles = sorted({title for title, _ in found}, key=len)
    rows = [
        [title, *(f"{statistics.median(found[title, count]):.0f}" for count in CONNECTIONS)]
        for title in titles
    ]
    mine = SERVERS["pupila"].title
    for title in titles:
        if title.startswith(OTHER):
            ratios = (
                statistics.median(
                    here / there
                    for here, there in zip(found[mine, count], found[title, count], strict=True)
                )
                for count in CONNECTIONS
            )
            rows.append([f"ratio to {title}, round by round", *map("{:.2f}".format, ratios)])
    head = ("µs of processor time a request", *(f"{count} connections" for count in CONNECTIONS))
    timed = [[name, f"{cost:.1f}"] for name, cost in parts]
    lines = [
        heading("Parts of a prediction", ["python -m bench.parts", arguments]),
        "Logistic regression, 8x8 JPEGs. Medians of rounds; parts alone, the best of many runs.\n",
        markdown(head, rows),
        "",
        markdown(("part", "µs"), timed),
    ]
    return "\n".join(lines) + "\n"


@click.command(context_settings={"show_default": True, "max_content_width": 100})
@click.option("--rounds", default=5, type=click.IntRange(1))
@click.option("--seconds", default=1.0, type=click.FloatRange(0.1), help="Of each measurement.")
@click.option(
    "--against",
    type=click.Path(exists=True, file_okay=False, resolve_path=True, path_type=Path),
    help="Another checkout, whose server is measured too.",
)
@click.option("--output", default=ROOT / "bench" / "parts.md", type=click.Path(path_type=Path))
def main(rounds: int, seconds: float, against: Path | None, output: Path) -> None:
    """Say where the time of a prediction goes."""
    with tempfile.TemporaryDirectory(prefix="pupila-bench-") as folder:
        home = make_material(MODEL, Path(folder), checkout=against or ROOT)
        with contextlib.ExitStack() as stack:
            runners = []
            servers = [SERVERS["pupila"], *([other(against)] if against else [])]
            for server in (*servers, native(), SERVERS["floor"]):
                runners.append(stack.enter_context(start(server, home)))
                runners[-1].tree.freeze()
            found = by_connections(runners, rounds, seconds)
        parts = by_part(home)
    text = report(found, parts, " ".join(sys.argv[1:]))
    output.write_text(text, encoding="utf-8")
    click.echo(text)


if __name__ == "__main__":
    main(prog_name="python -m bench.parts")
