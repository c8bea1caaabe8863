"""How long a server takes until it is ready and what memory a worker holds at rest; with
``--install``, what it takes from a clone to an answer.

    python -m bench.startup [--rounds 3] [--install] [--out bench/startup.md]

A start uses the model store as it is (``BENTOML_HOME``), a free port, and one worker. The seconds
run from ``bentoml serve`` to the first 200 of ``/readyz``. Memory is the worker's proportional set
size (PSS) and resident set size (RSS), read from /proc, so Linux only.
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
from pathlib import Path

import click

from bench.clone import report, samples
from bench.machine import heading
from bench.process import ROOT, free_port
from bench.table import markdown

BODY = ROOT / "tests" / "data" / "predict_digit8.json"


@click.command(help=(__doc__ or "").partition("\n\n")[0])
@click.option("--rounds", type=click.IntRange(1), default=3, show_default=True)
@click.option(
    "--install", is_flag=True, help="Measure from clone to answer too; some minutes a round."
)
@click.option("--out", type=click.Path(path_type=Path), help="Write the report to this file too.")
def main(rounds: int, install: bool, out: Path | None) -> None:
    # Where it is set, libraries that are not compiled at their installation never are.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    text = [heading("Startup", ["python -m bench.startup", *sys.argv[1:]])]
    if install:
        found = []
        with tempfile.TemporaryDirectory() as folder:
            for sample in samples(rounds, Path(folder)):
                cost = sample.cost
                click.echo(
                    f"{sample.installer}, {sample.step}: {cost.cpu:.1f} CPU s in {cost.wall:.1f} s",
                    err=True,
                )
                found.append(sample)
        text += ["## From clone to answer\n", report(found) + "\n"]
    text += ["## A start, and a worker at rest\n", _ready_table(rounds)]
    click.echo("\n".join(text))
    if out:
        out.write_text("\n".join(text) + "\n", encoding="utf-8")


def _ready_table(rounds: int) -> str:
    rows = [measure() for _ in range(rounds)]
    rows.append(tuple(statistics.median(column) for column in zip(*rows, strict=True)))
    names = [*(f"round {number}" for number in range(1, rounds + 1)), "median"]
    cells = [
        [name, f"{row[0]:.2f}", f"{row[1]:.2f}", f"{row[2]:.1f}", f"{row[3]:.1f}"]
        for name, row in zip(names, rows, strict=True)
    ]
    return markdown(["", "ready s", "CPU s", "RSS MiB", "PSS MiB"], cells)


def measure() -> tuple[float, float, float, float]:
    """Seconds until ready, CPU seconds of all processes, and a worker's RSS and PSS in MiB."""
    port = free_port()
    command = [str(Path(sys.executable).with_name("bentoml")), "serve"]
    # The interpreter's environment as it is, with a port of our own.
    environment = os.environ | {"PORT": str(port), "PUPILA_WORKERS": "1"}
    started = time.perf_counter()
    server = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, start_new_session=True
    )
    try:
        url = f"http://127.0.0.1:{port}"
        while not _ready(url):
            if server.poll() is not None:
                sys.exit("The server ended before it was ready: run `bentoml serve` to see why.")
            time.sleep(0.01)
        seconds = time.perf_counter() - started
        request = urllib.request.Request(f"{url}/predict/", BODY.read_bytes())
        with urllib.request.urlopen(request) as response:
            response.read()
        worker = int(Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()[0])
        return seconds, _cpu(server.pid) + _cpu(worker), _rss(worker), _pss(worker)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGTERM)
        server.wait()


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
