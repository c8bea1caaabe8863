"""Everything that goes wrong in production, at random from a seed, under load.

    python -m bench.chaos [--seconds 600] [--seed 1]

Good clients ask and label all the time, while workers are killed, the database is locked or its
disk is full, clients are slow, files of a few KB decode to 25 megapixels, keys are revoked, and
versions arrive, good ones and broken ones. Exits with 1 unless every answer to a good client was
right, at least 99.9 % of its requests were answered outside of the two seconds after a kill, and
every label that the server acknowledged is in the database. Writes ``chaos.md``, and ``chaos.svg``
with the events. Linux only.
"""

import base64
import http.client
import io
import json
import os
import random
import resource
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from shutil import copytree

import click
import matplotlib as mpl
from PIL import Image

from bench.machine import heading
from bench.process import ROOT
from bench.table import markdown
from tests.servers import Server, serve

CLIENTS = 6
PAUSE_SECONDS = 0.01
GRACE_SECONDS = 2.0
ENOUGH = 0.999
EVERY_SECONDS = (2.0, 6.0)
AWAY_SECONDS = 4.0
SLOW_CLIENTS = 200
BOMBS = 8
JPEG = (ROOT / "tests" / "data" / "digit8.jpg").read_bytes()
LABEL = 8


@dataclass
class Log:
    """What happened, and when: in seconds since the start."""

    started: float = field(default_factory=time.monotonic)
    events: list[tuple[float, str]] = field(default_factory=list)
    answers: list[tuple[float, str]] = field(default_factory=list)
    acknowledged: list[str] = field(default_factory=list)

    def now(self) -> float:
        return time.monotonic() - self.started

    def event(self, name: str) -> None:
        self.events.append((self.now(), name))
        click.echo(f"{self.now():6.1f} s  {name}")

    def in_grace(self, at: float) -> bool:
        """Whether a request that ended then may have met a worker that was killed."""
        return any(
            name == "kill -9" and 0 <= at - when <= GRACE_SECONDS for when, name in self.events
        )

    def counts(self, *, grace: bool) -> Counter[str]:
        return Counter(what for at, what in self.answers if self.in_grace(at) == grace)


class Client(threading.Thread):
    """Asks, and sends the label of every tenth image; keeps its connection while that works."""

    def __init__(
        self, number: int, server: Server, key: str, log: Log, done: threading.Event
    ) -> None:
        super().__init__()
        self._name, self._server, self._log, self._done = f"c{number}", server, log, done
        self._headers = {"X-API-Key": key}
        self._image = base64.b64encode(JPEG).decode()

    def run(self) -> None:
        address = self._server.url.removeprefix("http://")
        connection = http.client.HTTPConnection(address, timeout=20)
        asked = 0
        while not self._done.wait(PAUSE_SECONDS):
            asked += 1
            request_id = f"{self._name}-{asked}"
            fields = {"request_id": request_id, "model": "clf", "image": self._image}
            labelling = asked % 10 == 0
            path = "/feedback/" if labelling else "/predict/"
            content = fields | {"label": LABEL} if labelling else fields
            try:
                connection.request("POST", path, json.dumps(content), self._headers)
                answer = connection.getresponse()
                body = json.loads(answer.read())
            except (OSError, http.client.HTTPException) as error:
                connection.close()
                self._log.answers.append((self._log.now(), f"lost: {type(error).__name__}"))
                continue
            what = str(answer.status)
            if labelling:
                # Refused while the database is away: it may be sent again, and nothing is lost.
                what = "label kept" if answer.status == 200 else f"label {answer.status}"
                if answer.status == 200:
                    self._log.acknowledged.append(request_id)
            elif answer.status == 200:
                right = body == {"request_id": request_id, "prediction": LABEL}
                what = "right" if right else "WRONG"
            self._log.answers.append((self._log.now(), what))
        connection.close()


class Chaos:
    """The events; each returns once it is over."""

    def __init__(self, server: Server, key: str, log: Log, draw: random.Random) -> None:
        self._server, self._log, self._draw = server, log, draw
        self._headers = {"X-API-Key": key}
        self._database = server.home / "pupila" / "records.db"
        buffer = io.BytesIO()
        Image.new("RGB", (4990, 4990)).save(buffer, "WEBP", lossless=True)
        self._bomb = buffer.getvalue()

    def events(self) -> dict[str, Callable[[], None]]:
        return {
            "kill -9": self.kill,
            "slow clients": self.slow_clients,
            "bombs": self.bombs,
            "database locked": self.lock_database,
            "disk full": self.fill_disk,
            "new version": self.train,
            "bad version": self.break_version,
            "revoked key": self.revoke_key,
        }

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            os.kill(self._draw.choice(self._server.workers()), signal.SIGKILL)

    def slow_clients(self) -> None:
        host, port = self._server.url.removeprefix("http://").split(":")
        with ExitStack() as stack:
            for _ in range(SLOW_CLIENTS):
                with suppress(OSError):
                    connection = stack.enter_context(socket.create_connection((host, int(port)), 5))
                    connection.sendall(b"POST /predict/ HTTP/1.1\r\nHost: x\r\nContent-Le")
            time.sleep(AWAY_SECONDS)

    def bombs(self) -> None:
        def send() -> None:
            connection = http.client.HTTPConnection(self._server.url.removeprefix("http://"))
            with suppress(OSError, http.client.HTTPException):
                connection.request("POST", "/predict/clf", self._bomb, self._headers)
                connection.getresponse().read()
            connection.close()

        senders = [threading.Thread(target=send) for _ in range(BOMBS)]
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join()

    def lock_database(self) -> None:
        with closing(sqlite3.connect(self._database, timeout=5)) as connection:
            connection.execute("BEGIN EXCLUSIVE")
            time.sleep(AWAY_SECONDS)

    def fill_disk(self) -> None:
        """No worker can make a file longer than the database is."""
        size = self._database.stat().st_size
        limited = []
        for worker in self._server.workers():
            with suppress(ProcessLookupError):
                limited.append((worker, resource.prlimit(worker, resource.RLIMIT_FSIZE)))
                resource.prlimit(worker, resource.RLIMIT_FSIZE, (size, limited[-1][1][1]))
        time.sleep(AWAY_SECONDS)
        for worker, limits in limited:
            with suppress(ProcessLookupError):
                resource.prlimit(worker, resource.RLIMIT_FSIZE, limits)

    def train(self) -> None:
        environment = os.environ | {"BENTOML_HOME": str(self._server.home)}
        command = ["nice", sys.executable, "-m", "train", "--seed", str(self._draw.randrange(1000))]
        subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=True)

    def break_version(self) -> None:
        """A copy of the newest version, its graph cut off; it would be the champion."""
        models = self._server.home / "models" / "clf"
        newest = (models / "latest").read_text().strip()
        name = f"{newest[:-4]}{self._draw.randrange(2**16):04x}"
        copytree(models / newest, models / f".{name}")
        (models / f".{name}" / "model.onnx").write_bytes(b"\x08")
        (models / f".{name}").rename(models / name)

    def revoke_key(self) -> None:
        """One that is taken back is refused by every worker after two seconds."""
        name = f"k{len(self._log.events)}"
        key = create_key(self._server.home, name)
        _keys(self._server.home, "revoke", name)
        time.sleep(GRACE_SECONDS)
        for _ in range(10):
            connection = http.client.HTTPConnection(self._server.url.removeprefix("http://"))
            with closing(connection), suppress(OSError, http.client.HTTPException):
                connection.request("POST", "/predict/clf", JPEG, {"X-API-Key": key})
                if connection.getresponse().status == HTTPStatus.OK:
                    self._log.answers.append((self._log.now(), "WRONG: a revoked key"))


def _keys(home: Path, *arguments: str) -> str:
    environment = os.environ | {"BENTOML_HOME": str(home), "PUPILA_HOME": str(home / "pupila")}
    command = [sys.executable, "-m", "keys", *arguments]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=True)
    return done.stdout.decode().strip()


def create_key(home: Path, name: str) -> str:
    return _keys(home, "create", "--name", name, "--scope", "predict,label")


def run(server: Server, key: str, seconds: float, seed: int) -> Log:
    log, draw, done = Log(), random.Random(seed), threading.Event()
    chaos = Chaos(server, key, log, draw)
    clients = [Client(number, server, key, log, done) for number in range(CLIENTS)]
    for client in clients:
        client.start()
    try:
        events = chaos.events()
        names: list[str] = []
        while log.now() < seconds:
            time.sleep(draw.uniform(*EVERY_SECONDS))
            # All of them in turn, in an order of its own each time.
            names = names or draw.sample(sorted(events), len(events))
            name = names.pop()
            log.event(name)
            events[name]()
        time.sleep(GRACE_SECONDS)
    finally:
        done.set()
        for client in clients:
            client.join()
    return log


def lost_labels(database: Path, log: Log) -> list[str]:
    with closing(sqlite3.connect(database)) as connection:
        kept = {row[0] for row in connection.execute("SELECT request_id FROM labels")}
    return [request_id for request_id in log.acknowledged if request_id not in kept]


def draw_figure(log: Log, path: Path) -> None:
    """Right answers and others by second, and the events."""
    mpl.use("svg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(11, 4))
    ends = int(max(at for at, _ in log.answers)) + 1
    good, bad = [0] * ends, [0] * ends
    for at, what in log.answers:
        (good if what in ("right", "label kept") else bad)[int(at)] += 1
    axes.plot(good, color="tab:blue", label="right answers and kept labels a second")
    axes.plot(bad, color="tab:red", label="others")
    for at, name in log.events:
        axes.axvline(at, color="0.8", zorder=0)
        axes.text(at, max(good), name, rotation=90, va="top", ha="right", fontsize=7, color="0.3")
    axes.set(xlabel="seconds", ylim=(0, None))
    axes.legend(loc="lower left")
    figure.tight_layout()
    figure.savefig(path)


@click.command(context_settings={"show_default": True, "max_content_width": 100})
@click.option("--seconds", default=600.0, type=click.FloatRange(5))
@click.option("--seed", default=1)
@click.option("--output", default=ROOT / "bench" / "chaos.md", type=click.Path(path_type=Path))
@click.option("--store", type=click.Path(path_type=Path), help="Begin with the clf of this store.")
def main(seconds: float, seed: int, output: Path, store: Path | None) -> None:
    """Break everything, and count what good clients see of it."""
    with tempfile.TemporaryDirectory(prefix="pupila-chaos-") as folder:
        home = Path(folder)
        environment = os.environ | {"BENTOML_HOME": folder}
        if store:
            copytree(store / "models" / "clf", home / "models" / "clf")
        else:
            command = [sys.executable, "-m", "train"]
            subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=True)
        with serve(home, workers=2, deadline_ms=5000) as server:
            key = create_key(home, "good")
            time.sleep(GRACE_SECONDS)
            log = run(server, key, seconds, seed)
        lost = lost_labels(home / "pupila" / "records.db", log)
    outside, within = log.counts(grace=False), log.counts(grace=True)
    asked = sum(count for what, count in outside.items() if not what.startswith("label"))
    share = outside["right"] / max(asked, 1)
    rows = [[what, str(outside[what]), str(within[what])] for what in sorted({*outside, *within})]
    rows.append(["labels acknowledged and lost", str(len(lost)), ""])
    head = ("", "outside of 2 s after a kill", "within")
    told = (
        f"{len(log.events)} events in {log.now():.0f} s, {CLIENTS} good clients, 2 workers. Of "
        f"their predictions outside of the two seconds after a kill, {share:.3%} were right; of "
        f"{len(log.acknowledged)} labels that were acknowledged, {len(lost)} were lost.\n"
    )
    title = heading("Chaos", ["python -m bench.chaos", " ".join(sys.argv[1:])])
    text = "\n".join([title, told, markdown(head, rows), ""])
    output.write_text(text, encoding="utf-8")
    draw_figure(log, output.with_suffix(".svg"))
    click.echo(text)
    wrong = sum(what.startswith("WRONG") for _, what in log.answers)
    if lost or wrong or share < ENOUGH:
        raise click.ClickException("good clients were harmed; the table says how.")


if __name__ == "__main__":
    main(prog_name="python -m bench.chaos")
