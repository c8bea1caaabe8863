"""A server that something is done to: its processes, its clients, its log and its metrics."""

import contextlib
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from bench.fault_alerts import Scrape
from bench.fault_clients import CLIENTS, PATIENCE_SECONDS, TRUSTING, Clients
from bench.process import ROOT, free_port
from settings import environment

WORKERS = 2
START_SECONDS = 90.0
STOP_SECONDS = 30.0


@dataclass
class Server:
    """Started by ``start``, with the settings by the names of their variables."""

    home: Path
    port: int = field(default_factory=free_port)
    key: str | None = None
    tls: bool = False
    settings: dict[str, str] = field(default_factory=dict)
    options: Sequence[str] = ()
    wrapper: Sequence[str] = ()
    program: Sequence[str] = (str(Path(sys.executable).with_name("bentoml")), "serve", ".")
    process: subprocess.Popen[bytes] = field(init=False)

    def __post_init__(self) -> None:
        self.clients = Clients(self.port, self.key, self.tls)

    @property
    def log(self) -> Path:
        return self.home / "log"

    @property
    def database(self) -> Path:
        return self.home / "pupila" / "records.db"

    def environment(self) -> dict[str, str]:
        chosen = {
            "BENTOML_HOME": self.home,
            "BENTOML_DO_NOT_TRACK": "True",
            "PUPILA_HOME": self.home / "pupila",
            "PUPILA_WORKERS": WORKERS,
            # The machine may be busy.
            "PUPILA_DEADLINE_MS": 5000,
            "PORT": self.port,
        }
        return environment(**(chosen | self.settings))

    def start(self) -> None:
        """Without waiting for anything."""
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(
                [*self.wrapper, *self.program, *self.options],
                cwd=ROOT,
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def run(self, *arguments: str) -> str:
        """What a command of ours prints, in this server's environment."""
        done = subprocess.run(
            [sys.executable, "-m", *arguments],
            cwd=ROOT,
            env=self.environment(),
            capture_output=True,
            check=True,
        )
        return done.stdout.decode().strip()

    def workers(self) -> list[int]:
        """The process ids of the workers."""
        path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        with contextlib.suppress(OSError):
            return [int(child) for child in path.read_text().split()]
        return []

    def code(self, seconds: float) -> int | None:
        """Its exit code; None if it has not ended in that time."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self.process.wait(seconds)
        return None

    def get(self, path: str) -> bytes | None:
        """The body of an answer of 200."""
        scheme = "https" if self.tls else "http"
        request = urllib.request.Request(f"{scheme}://127.0.0.1:{self.port}{path}")
        context = TRUSTING if self.tls else None
        with contextlib.suppress(OSError, http.client.HTTPException):
            opened = urllib.request.urlopen(request, timeout=PATIENCE_SECONDS, context=context)
            with opened as answer:
                return bytes(answer.read())
        return None

    def scrape(self) -> Scrape:
        """As Prometheus does."""
        body = self.get("/metrics")
        if body is None:
            return Scrape(time.time(), None)
        found = {}
        for family in text_string_to_metric_families(body.decode()):
            for sample in family.samples:
                labels = ",".join(f'{k}="{v}"' for k, v in sorted(sample.labels.items()))
                found[sample.name + (f"{{{labels}}}" if labels else "")] = sample.value
        return Scrape(time.time(), found)

    def is_well(self) -> bool:
        """Ready, with all workers, a database and nothing that waits; the clients are answered."""
        scrape = self.scrape()
        if self.get("/readyz") is None or scrape.series is None:
            return False
        workers = sum(scrape.get("pupila_workers").values())
        last = [what for _, what in self.clients.answers[-2 * (CLIENTS + 1) :]]
        current = sum(scrape.get("pupila_records_current_timestamp_seconds").values())
        events = Counter(line.get("event") for line in self.lines())
        begun = events["a worker has started"] - events["a dead worker is replaced"]
        return (
            workers == begun == WORKERS
            and all(scrape.get("pupila_database_up").values())
            and scrape.at - current < 3
            and all(what.endswith("200") for what in last)
        )

    def lines(self) -> Iterator[dict[str, object]]:
        """Of its log; what is no JSON is an event of the level ``raw``."""
        for line in self.log.read_text(errors="replace").splitlines():
            try:
                found = json.loads(line)
            except ValueError:
                found = {"level": "no JSON", "event": line}
            if isinstance(found, dict):
                yield found

    def end(self) -> int | None:
        """By SIGTERM; None if that did not end it."""
        self.process.send_signal(signal.SIGTERM)
        return self.code(STOP_SECONDS)

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(10)


def told(lines: Sequence[dict[str, object]], most: int = 4) -> list[str]:
    """The lines of a log that a reader would look at: warnings and worse, each kind once, with how
    often it came; where there is none, what else was said."""
    worse = [line for line in lines if line.get("level") not in ("info", "debug", "no JSON")]
    rest = [line for line in lines if line.get("event") != "request"]
    broken = [line for line in lines if line.get("level") == "no JSON"]
    kinds: dict[str, str] = {}
    counts: Counter[str] = Counter()
    for line in worse or ([] if broken else rest):
        text = _text(line)
        kind = re.sub(r"[0-9a-z]{16}|\d[\d.:]*", "#", text)[:60]
        kinds.setdefault(kind, text)
        counts[kind] += 1
    found = [
        f"{text}{f' (×{counts[kind]})' if counts[kind] > 1 else ''}" for kind, text in kinds.items()
    ]
    if broken:
        found.append(f"{len(broken)} lines that are no JSON: {_text(broken[-1])}")
    return found[:most] + ([f"and {len(found) - most} more"] if len(found) > most else [])


def _text(line: dict[str, object]) -> str:
    event = str(line.get("event", ""))
    more = [str(line[name]) for name in ("signal", "status", "error") if line.get(name)]
    if "traceback" in line:
        more.append(f"traceback: {str(line['traceback']).strip().splitlines()[-1]}")
    text = f"{event} [{', '.join(more)}]" if more else event
    # The folder of this run says nothing.
    text = re.sub(r"/\w+/pupila-[\w-]+", "…", text)
    shown = text if len(text) <= 150 else f"{text[:149]}…"
    return f"*{line.get('level')}* {shown}"
