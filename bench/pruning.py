"""How long others wait to write while old records are deleted from SQLite.

    python -m bench.pruning [--rows 500000] [--seconds 120] [--folder /tmp]

A process writes five predictions every 30 ms and notes how long each write takes: alone, while
``python -m records prune`` deletes the oldest, and, that ended or cut off, alone again. Alone is
the measure of the machine: its disk and its load.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from bench.table import markdown
from records.chunks import chunks
from records.database import Database
from records.prediction import KeptPrediction
from records.retention import count
from records.writer import write
from settings import environment

IMAGE = os.urandom(400)
PAUSE = 0.03
ALONE_SECONDS = 15.0


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rows", type=int, default=500_000)
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    chosen = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="pupila-bench-", dir=chosen.folder))
    try:
        with Database(f"sqlite:///{home}/records.db", create=True, timeout=60) as database:
            database.prepare()
            _fill(database, chosen.rows)
            table = [_row("alone", _waits(database, ALONE_SECONDS, None))]
            command = [sys.executable, "-m", "records", "prune", "--older-than", "7d"]
            log = (home / "log").open("wb")
            pruning = subprocess.Popen(
                command, env=environment(PUPILA_HOME=home), stdout=log, stderr=log
            )
            before = count(database)
            waits = _waits(database, chosen.seconds, pruning)
            deleted = before + 5 * len(waits) - count(database)
            table.append(_row(f"while {deleted:,} are deleted", waits))
            ended = pruning.poll()
            pruning.kill()
            pruning.wait()
            table.append(_row("alone again", _waits(database, ALONE_SECONDS, None)))
    finally:
        shutil.rmtree(home)
    print(f"load {os.getloadavg()[0]:.1f}; prune {'ended' if ended == 0 else f'cut off: {ended}'}")
    print(markdown(["", "writes", "p50 ms", "p90 ms", "p99 ms", "most ms"], table))


def _fill(database: Database, rows: int) -> None:
    start = datetime.now(UTC) - timedelta(days=60)
    for numbers in chunks(range(rows), 5000):
        write(database, [_kept(str(i), start + timedelta(seconds=10 * i)) for i in numbers], {})


def _waits(
    database: Database, seconds: float, process: subprocess.Popen[bytes] | None
) -> list[float]:
    """Seconds that each write took, for as long, or until the process has ended."""
    until = time.monotonic() + seconds
    found = []
    while time.monotonic() < until and (process is None or process.poll() is None):
        started = time.perf_counter()
        write(database, [_kept("new", datetime.now(UTC)) for _ in range(5)], {})
        found.append(time.perf_counter() - started)
        time.sleep(PAUSE)
    return found


def _kept(request_id: str, at: datetime) -> KeptPrediction:
    return KeptPrediction(
        request_id=request_id, model="clf", version="a", role="champion", at=at, label=1,
        confidence=0.9, probabilities=bytes(40), weight=1.0, image=IMAGE,
    )  # fmt: skip


def _row(name: str, waits: list[float]) -> list[str]:
    quantiles = [1000 * float(np.quantile(waits, q)) for q in (0.5, 0.9, 0.99, 1.0)]
    return [name, f"{len(waits):,}", *(f"{one:.0f}" for one in quantiles)]


if __name__ == "__main__":
    main()
