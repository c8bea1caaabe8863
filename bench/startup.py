"""How long a server takes until it is ready, and what memory a worker holds at rest.

    python bench/startup.py [--rounds 5]

Uses the model store as it is (``BENTOML_HOME``), a free port, and one worker. The seconds run from
``bentoml serve`` to the first 200 of ``/readyz``. Memory is the worker's proportional set size
(PSS) and resident set size (RSS), read from /proc, so Linux only.
"""

import argparse
import contextlib
import os
import re
import signal
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).parent.parent
BODY = ROOT / "tests" / "data" / "predict_digit8.json"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    print(f"{'round':>5}  {'ready s':>7}  {'CPU s':>6}  {'RSS MiB':>7}  {'PSS MiB':>7}")
    rows = []
    for number in range(1, rounds + 1):
        rows.append(measure())
        print(f"{number:>5}  " + _line(rows[-1]), flush=True)
    medians = tuple(statistics.median(column) for column in zip(*rows, strict=True))
    print(f"{'median':>5} " + _line(medians))


def measure() -> tuple[float, float, float, float]:
    """Seconds until ready, CPU seconds of all processes, and a worker's RSS and PSS in MiB."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
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


def _line(row: tuple[float, ...]) -> str:
    return f"{row[0]:>7.2f}  {row[1]:>6.2f}  {row[2]:>7.1f}  {row[3]:>7.1f}"


if __name__ == "__main__":
    main()
