"""Predictions and labels from several processes at once: exact counts, and how fast.

    python -m bench.records [--rows 100000] [--writers 4] [--folder /tmp]

Each process writes its share of the predictions, with an image of 300 bytes and counts of traffic,
in transactions of 200, as a server does every fraction of a second; then a label for each, 100 at a
time. SQLite is a file in a new folder; PostgreSQL is the machine's own, started for this and with
its files in a new folder too, every commit on the disk.
"""

import argparse
import multiprocessing
import os
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import func, select

from bench.table import markdown
from records.chunks import chunks
from records.database import Database
from records.labels import NewLabel, add
from records.prediction import KeptPrediction
from records.schema import images, labels, predictions, traffic
from records.stats import stats
from records.traffic import TrafficKey
from records.windows import window
from records.writer import write
from tests.databases import postgres_server

CLASSES = range(10)
WRITE = 200
LABEL = 100


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--writers", type=int, default=4)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    chosen = parser.parse_args()
    found = []
    for name in ("SQLite", "PostgreSQL"):
        with _database(name, chosen.folder) as url:
            found.append([name, *_measure(url, chosen.rows, chosen.writers)])
            print(f"{name} done", file=sys.stderr, flush=True)
    head = ["", "predictions", "images", "labels", "traffic", "exact"]
    head += ["predictions/s", "labels/s", "window ms", "bytes a row"]
    print(markdown(head, found))


@contextmanager
def _database(name: str, folder: Path) -> Iterator[str]:
    if name == "SQLite":
        home = Path(tempfile.mkdtemp(prefix="pupila-bench-", dir=folder))
        try:
            yield f"sqlite:///{home}/records.db"
        finally:
            shutil.rmtree(home)
        return
    try:
        with postgres_server(folder, durable=True) as server:
            yield server.database()
    except pytest.skip.Exception as reason:
        sys.exit(str(reason))


def _measure(url: str, rows: int, writers: int) -> list[str]:
    with Database(url, create=True, timeout=60) as database:
        database.prepare()
        shares = [range(rows)[number::writers] for number in range(writers)]
        seconds = [_together(step, url, shares) for step in (_predict, _label)]
        with database.reading() as connection:
            counted = [
                int(connection.execute(select(func.count()).select_from(table)).scalar_one())
                for table in (predictions, images, labels)
            ]
            requests = int(connection.execute(select(func.sum(traffic.c.count))).scalar_one())
        started = time.perf_counter()
        read = window(database, "clf", limit=1000)
        milliseconds = (time.perf_counter() - started) * 1000
        exact = (*counted, requests) == (rows,) * 4 and len(read) == min(rows, 1000)
        return [
            *(f"{count:,}" for count in (*counted, requests)),
            "yes" if exact else "NO",
            *(f"{rows / one:,.0f}" for one in seconds),
            f"{milliseconds:.0f}",
            f"{stats(database).bytes / rows:,.0f}",
        ]


def _together(step: object, url: str, shares: list[range]) -> float:
    """Seconds until the last of the processes has done its share."""
    context = multiprocessing.get_context("spawn")
    ready = context.Barrier(len(shares) + 1)
    processes = [context.Process(target=_run, args=(step, url, one, ready)) for one in shares]
    for process in processes:
        process.start()
    ready.wait()
    started = time.perf_counter()
    for process in processes:
        process.join()
    if any(process.exitcode for process in processes):
        sys.exit("A writer failed; what it said is above.")
    return time.perf_counter() - started


def _run(step: object, url: str, share: range, ready: object) -> None:
    with Database(url, timeout=60) as database:
        # Connected, before the clock runs.
        database.check()
        ready.wait()  # type: ignore[attr-defined]
        step(database, share)  # type: ignore[operator]


def _predict(database: Database, share: range) -> None:
    image = os.urandom(300)
    for numbers in chunks(share, WRITE):
        now = datetime.now(UTC)
        rows = [
            KeptPrediction(
                request_id=str(number),
                model="clf",
                version="clf:a",
                role="champion",
                at=now,
                status=200,
                reason=None,
                label=number % len(CLASSES),
                confidence=0.9,
                probabilities=bytes(4 * len(CLASSES)),
                weight=1.0,
                image=image,
            )
            for number in numbers
        ]
        minute = now.replace(second=0, microsecond=0)
        counts: Counter[TrafficKey] = Counter(
            (minute, "clf", "clf:a", "champion", "label", str(row.label)) for row in rows
        )
        write(database, rows, counts)


def _label(database: Database, share: range) -> None:
    for numbers in chunks(share, LABEL):
        items = [NewLabel(str(number), number % len(CLASSES)) for number in numbers]
        outcomes = add(database, items, lambda _model: CLASSES)
        if {outcome.status for outcome in outcomes} != {"added"}:
            sys.exit("A label was not added.")


if __name__ == "__main__":
    main()
