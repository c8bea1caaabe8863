"""How long a server takes until it is ready, or with --install, a clone until its first answer.

    python -m bench.startup [--rounds 3] [--install] [--out bench/startup.md]

Without it, one worker serves the model store as it is (``BENTOML_HOME``). The seconds run from
``bentoml serve`` to the first 200 of ``/readyz``. Memory is the worker's, at rest: its proportional
set size (PSS) and resident set size (RSS), read from /proc, so Linux only.
"""

import contextlib
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path

import click

from bench.clone import report, samples
from bench.machine import heading
from bench.process import ROOT, START_SECONDS, free_port
from bench.table import markdown

BODY = ROOT / "tests" / "data" / "predict_digit8.json"


@click.command(help=(__doc__ or "").partition("\n\n")[0])
@click.option("--rounds", type=click.IntRange(1), default=3, show_default=True)
@click.option("--install", is_flag=True, help="From clone to answer instead; minutes a round.")
@click.option("--out", type=click.Path(path_type=Path), help="Write the report to this file too.")
def main(rounds: int, install: bool, out: Path | None) -> None:
    # Where it is set, our own modules are compiled at every start.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    head = heading("Startup", ["python -m bench.startup", *sys.argv[1:]])
    text = f"{head}\n{_clone_report(rounds) if install else _ready_table(rounds)}\n"
    click.echo(text, nl=False)
    if out:
        out.write_text(text, encoding="utf-8")


def _clone_report(rounds: int) -> str:
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for sample in samples(rounds, Path(folder)):
            cpu, wall = sample.cost.cpu, sample.cost.wall
            click.echo(
                f"{sample.installer}, {sample.step}: {cpu:.1f} CPU s, {wall:.1f} s", err=True
            )
            found.append(sample)
    return report(found)


def _ready_table(rounds: int) -> str:
    rows = [measure() for _ in range(rounds)]
    rows.append(tuple(statistics.median(column) for column in zip(*rows, strict=True)))
    names = [*(f"round {number}" for number in range(1, rounds + 1)), "median"]
    cells = [
        [name, f"{row[0]:.2f}", f"{row[1]:.2f}", f"{row[2]:.1f}", f"{row[3]:.1f}"]
        for name, row in zip(names, rows, strict=True)
    ]
    return markdown(["", "ready s", "CPU s", "RSS MiB", "PSS MiB"], cells)


def measure(
    settings: Mapping[str, str] | None = None, ask: Callable[[str], None] | None = None
) -> tuple[float, float, float, float]:
    """Seconds until ready, CPU seconds of all processes, and a worker's RSS and PSS in MiB.

    ``settings``: environment variables besides; ``ask``: is called with the server's URL before its
    memory is read, instead of one request.
    """
    port = free_port()
    command = [str(Path(sys.executable).with_name("bentoml")), "serve"]
    # The interpreter's environment as it is, with a port of our own.
    environment = os.environ | {"PORT": str(port), "PUPILA_WORKERS": "1"} | dict(settings or {})
    started = time.perf_counter()
    server = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, start_new_session=True
    )
    try:
        url = f"http://127.0.0.1:{port}"
        while not _ready(url):
            if server.poll() is not None or time.perf_counter() > started + START_SECONDS:
                sys.exit("The server is not ready: `bentoml serve` and its /readyz say why.")
            time.sleep(0.01)
        seconds = time.perf_counter() - started
        worker = int(Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()[0])
        cpu = _cpu(server.pid) + _cpu(worker)
        (ask or _ask_once)(url)
        return seconds, cpu, _rss(worker), _pss(worker)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGTERM)
        server.wait()


def _ask_once(url: str) -> None:
    request = urllib.request.Request(f"{url}/predict/", BODY.read_bytes())
    with urllib.request.urlopen(request) as response:
        response.read()


def _ready(url: str) -> bool:
    with contextlib.suppress(OSError), urllib.request.urlopen(f"{url}/readyz") as response:
        return bool(response.status == 200)
    return False


def _cpu(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _rss(process: int) -> float:
    return _kilobytes(Path(f"/proc/{process}/status").read_text(), "VmRSS") / 1024


def _pss(process: int) -> float:
    return _kilobytes(Path(f"/proc/{process}/smaps_rollup").read_text(), "Pss") / 1024


def _kilobytes(text: str, name: str) -> int:
    match = re.search(rf"^{name}:\s+(\d+) kB", text, re.MULTILINE)
    return int(match[1]) if match else 0


if __name__ == "__main__":
    main()
