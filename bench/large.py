"""Large photos: four clients against one worker, alone and with busy neighbours on the machine.

    python -m bench.large [--rounds 3] [--seconds 8] [--against ../earlier]

The clients send photos of 12 megapixels, each the next as soon as it has its answer, at the default
deadline. A version whose spec decodes at a reduced size is measured beside one that decodes in
full, as all of version 0.1 do; ``--against``, a commit or the folder of another checkout, adds the
server of that one. They take turns, so that the ratios are of one run. The worker's peak is the
most that it held while it was asked. Linux only.
"""

import base64
import contextlib
import http.client
import io
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import click
import numpy as np
from PIL import Image

from bench.machine import heading
from bench.process import ROOT, Tree, free_port, running
from bench.table import markdown, number

SPEC: Final = "rgb-224x224"
SIDES: Final = (4000, 3000)
PHOTOS: Final = 4
WARM_SECONDS: Final = 2.0

_SAVE: Final = """
import sys
from pathlib import Path
from images.spec import ImageSpec
from models.store import Store
from tests.drafts import LinearDraft
draft = LinearDraft(name="photos", spec=ImageSpec.parse(sys.argv[2]))
Store(Path(sys.argv[1])).save(draft)
"""


@dataclass(frozen=True)
class Served:
    """A server, and the version's spec that it is asked for."""

    title: str
    folder: Path
    spec: str


@dataclass
class Run:
    """What the clients got in one turn."""

    statuses: Counter[int] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    lasted: float = 0.0
    cpu_seconds: float = 0.0
    peak_mib: float = 0.0

    @property
    def rate(self) -> float:
        return self.statuses[200] / self.lasted

    @property
    def refused(self) -> int:
        return self.statuses.total() - self.statuses[200]

    @property
    def cpu_ms(self) -> float:
        return self.cpu_seconds / max(1, self.statuses[200]) * 1000


def photo(seed: int, sides: tuple[int, int] = SIDES) -> bytes:
    """A JPEG with shapes of all sizes and a sensor's noise: 3 to 4 MB, as phones make them."""
    generator = np.random.default_rng(seed)
    across, down = sides
    pixels = np.zeros((down, across, 3), np.float32)
    for octave in range(2, 10):
        coarse = generator.normal(128, 70 * 0.7**octave * 4, (3 * 2**octave // 4, 2**octave, 3))
        image = Image.fromarray(coarse.clip(0, 255).astype(np.uint8))
        pixels += np.asarray(image.resize(sides, Image.Resampling.BICUBIC), np.float32) - 128
    pixels += 128 + generator.normal(0, 7, (down, across, 1)).astype(np.float32)
    file = io.BytesIO()
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(file, "JPEG", quality=90)
    return file.getvalue()


def bodies() -> list[bytes]:
    return [
        json.dumps(
            {
                "request_id": str(seed),
                "model": "photos",
                "image": base64.b64encode(photo(seed)).decode(),
            }
        ).encode()
        for seed in range(PHOTOS)
    ]


@contextlib.contextmanager
def serving(served: Served, home: Path) -> Iterator[tuple[Tree, int]]:
    """The server's processes, and its port."""
    # By the state that is to read it: an older one does not know later fields.
    subprocess.run(
        [sys.executable, "-c", _SAVE, str(home / "models"), served.spec],
        cwd=served.folder,
        env={**os.environ, "PYTHONPATH": str(served.folder)},
        check=True,
    )
    port = free_port()
    command = [sys.executable, "-m", "bentoml", "serve", str(served.folder)]
    settings = {
        "PORT": str(port),
        "BENTOML_HOME": str(home),
        "BENTOML_DO_NOT_TRACK": "True",
        "PUPILA_HOME": str(home / "pupila"),
        "PUPILA_WORKERS": "1",
        "PUPILA_DEFAULT_MODEL": "photos",
    }

    def is_ready() -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()

    with running(command, settings, home / "log", is_ready) as tree:
        yield tree, port


def ask(port: int, sent: Sequence[bytes], clients: int, seconds: float, tree: Tree) -> Run:
    run = Run()
    lock = threading.Lock()
    worker = max(tree.processes(), key=lambda process: _kilobytes(process, "VmRSS"))
    Path(f"/proc/{worker}/clear_refs").write_text("5")
    cpu, begun = tree.cpu_seconds(), time.monotonic()
    until = begun + seconds

    def client(number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        turn = number
        while time.monotonic() < until:
            started = time.monotonic()
            connection.request("POST", "/predict/", sent[turn % len(sent)])
            answer = connection.getresponse()
            answer.read()
            with lock:
                run.statuses[answer.status] += 1
                run.seconds.append(time.monotonic() - started)
            turn += 1
        connection.close()

    threads = [threading.Thread(target=client, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    run.lasted = time.monotonic() - begun
    run.cpu_seconds = tree.cpu_seconds() - cpu
    run.peak_mib = _kilobytes(worker, "VmHWM") / 1024
    return run


def _kilobytes(process: int, name: str) -> int:
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith(name)), 0)


@contextlib.contextmanager
def neighbours(count: int) -> Iterator[None]:
    """Others on the machine, each of which keeps a processor busy."""
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for one in busy:
            one.send_signal(signal.SIGKILL)
            one.wait()


@contextlib.contextmanager
def checkout(against: str) -> Iterator[Path]:
    """A folder of another state: as given, or of a commit."""
    if Path(against).is_dir():
        yield Path(against).resolve()
        return
    with tempfile.TemporaryDirectory(prefix="pupila-earlier-") as folder:
        archive = subprocess.run(
            ["git", "archive", against], cwd=ROOT, check=False, capture_output=True
        )
        if archive.returncode:
            raise click.UsageError(f"{against} is neither a folder nor a commit.")
        subprocess.run(["tar", "-x", "-C", folder], input=archive.stdout, check=True)
        yield Path(folder)


def table(found: dict[tuple[str, int], list[Run]], base: str) -> str:
    first = ("", "neighbours", "a second", "ratio", "refused", "of", "p50 s", "longest s")
    head = (*first, "CPU ms each", "peak MiB")
    rows = []
    for (title, busy), runs in found.items():
        seconds = sorted(second for run in runs for second in run.seconds)
        # Of a server that has refused all of a turn there is no ratio.
        both = zip(runs, found[base, busy], strict=True)
        ratios = [run.rate / one.rate for run, one in both if one.rate]
        rows.append(
            [
                title,
                str(busy),
                number(statistics.median(run.rate for run in runs)),
                f"{statistics.median(ratios):.2f}" if ratios else "–",
                str(sum(run.refused for run in runs)),
                str(len(seconds)),
                f"{statistics.median(seconds):.2f}",
                f"{seconds[-1]:.2f}",
                number(statistics.median(run.cpu_ms for run in runs)),
                number(max(run.peak_mib for run in runs)),
            ]
        )
    return markdown(head, rows)


@click.command(context_settings={"show_default": True, "max_content_width": 100})
@click.option("--rounds", default=3, type=click.IntRange(1))
@click.option("--seconds", default=8.0, type=click.FloatRange(0.5), help="Of each turn.")
@click.option("--clients", default=4, type=click.IntRange(1))
@click.option("--neighbours", "busy", default=(0, 2), multiple=True, type=click.IntRange(0))
@click.option("--against", help="A commit, or the folder of another checkout: measured too.")
@click.option("--output", default=ROOT / "bench" / "large.md", type=click.Path(path_type=Path))
def main(
    rounds: int,
    seconds: float,
    clients: int,
    busy: tuple[int, ...],
    against: str | None,
    output: Path,
) -> None:
    """Say what large photos cost, and whether any is refused."""
    with contextlib.ExitStack() as stack:
        several = [
            Served("reduced", ROOT, f"{SPEC}:reduced"),
            Served("in full", ROOT, SPEC),
        ]
        if against:
            several.append(Served(against, stack.enter_context(checkout(against)), SPEC))
        sent = bodies()
        found: dict[tuple[str, int], list[Run]] = {}
        started = []
        for served in several:
            home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pupila-bench-")))
            tree, port = stack.enter_context(serving(served, home))
            tree.freeze()
            started.append((served, tree, port))
        for turn in range(rounds):
            for count in busy:
                for served, tree, port in started[:: 1 if turn % 2 else -1]:
                    tree.thaw()
                    ask(port, sent, clients, WARM_SECONDS if not turn else 0.5, tree)
                    with neighbours(count):
                        run = ask(port, sent, clients, seconds, tree)
                    tree.freeze()
                    found.setdefault((served.title, count), []).append(run)
    titles = [served.title for served in several]
    ordered = {(title, count): found[title, count] for count in busy for title in titles}
    size = sum(map(len, sent)) / len(sent) * 3 / 4 / 1e6
    note = (
        f"{clients} clients, one worker, the default deadline of a second; JPEGs of "
        f"{SIDES[0]}x{SIDES[1]} pixels and {size:.1f} MB for {SPEC}. Medians of {rounds} rounds; "
        f"the ratio is to {titles[-1]}, round by round.\n"
    )
    title = heading("Large photos", ["python -m bench.large", " ".join(sys.argv[1:])])
    text = "\n".join((title, note, table(ordered, titles[-1])))
    output.write_text(text + "\n", encoding="utf-8")
    click.echo(text)


if __name__ == "__main__":
    main(prog_name="python -m bench.large")
