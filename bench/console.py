"""What the console's pages cost, and what a prediction costs while people look at them.

    python -m bench.console [--records 1000000] [--rounds 21]

First each page over a database of so many records, in processor time of the worker: the first visit
after a start, and the median of later ones. Then predictions, at the same rate and in a new order
each round: alone, beside ten clients that load the pages of another server of this machine in turn,
and beside ten that load those of the same server; the processor time of the thread that answers
predictions, for one of them. Whatever else runs on a machine of two processors makes each
prediction cost more, as caches are shared: the second tells how much. At a fixed rate, because a
connection that asks again once it is answered asks less often beside visitors, and what is done
once for all requests that have arrived is then done for fewer. Linux only.
"""

import contextlib
import os
import random
import shutil
import socket
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
import httpx2
from sqlalchemy import insert, text

from bench.machine import heading
from bench.process import ROOT
from bench.table import markdown
from models.store import Store
from records.database import Database
from records.schema import traffic
from settings import Settings
from tests.console.scene import digit
from tests.drafts import LinearDraft
from tests.servers import NO_TLS, Server, serve

PAGES = (
    "try", "label", "watch", "watch?span=hour", "watch?span=month", "versions", "data",
    "data?class=3", "data?class=3&by=label",
)  # fmt: skip
CLIENTS = 10
CONNECTIONS = 8
VISITS = 7
WARM_SECONDS = 0.5
_TICKS = os.sysconf("SC_CLK_TCK")
_BODY = (ROOT / "tests" / "data" / "predict_digit8.json").read_bytes()

_PREDICTIONS = """
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :records)
INSERT INTO predictions (request_id, model, version, role, at, status, label, confidence,
    probabilities, weight, origin, image_bytes)
SELECT 'r' || i, 'clf', :version, 'champion',
    strftime(:form, :start + i * :step, 'unixepoch'), 200, cast(i % 10 AS TEXT),
    0.3 + (i * 7919 % 700) / 1000.0, randomblob(40), 1.0, 'traffic', :size FROM n
"""
_IMAGES = "INSERT INTO images (prediction_id, content) SELECT id, :image FROM predictions"
_LABELS = """
INSERT INTO labels (prediction_id, request_id, model, label, source, known, at)
SELECT id, request_id, model, cast((id + (id % 50 = 0)) % 10 AS TEXT),
    CASE id % 3 WHEN 0 THEN 'ann' ELSE 'bob' END, 1, at FROM predictions WHERE id % 10 = 0
"""
_TRAFFIC = """
WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < :minutes)
INSERT INTO traffic (minute, model, version, role, kind, key, count)
SELECT strftime(:form, :start + i * 60, 'unixepoch'), 'clf', :version, 'champion', kind, key, count
FROM n, (SELECT 'status' AS kind, '200' AS key, 25 AS count UNION SELECT 'status', '400', 1
    UNION SELECT 'latency', '0.001', 12 UNION SELECT 'latency', '0.005', 12
    UNION SELECT 'latency', '0.05', 1 UNION SELECT 'label', '3', 5 UNION SELECT 'label', '4', 5
    UNION SELECT 'label', '5', 5 UNION SELECT 'label', '6', 5 UNION SELECT 'label', '7', 5)
"""


def fill(home: Path, records: int, version: str) -> None:
    """A month of records: as many predictions, each with its image, a tenth of them labelled."""
    start = datetime.now(UTC) - timedelta(days=30)
    seconds = 30 * 86_400
    image = digit(1)[0]
    values = {
        "records": records,
        "version": version,
        "start": start.timestamp(),
        "step": seconds / (records + 1),
        "minutes": seconds // 60,
        "size": len(image),
        "image": image,
        "form": _form(home),
    }
    with Database.of(Settings(home=home / "pupila"), create=True) as database:
        database.prepare()
        with database.writing(durable=False) as connection:
            for statement in (_PREDICTIONS, _IMAGES, _LABELS, _TRAFFIC):
                connection.execute(text(statement), values)


def _form(home: Path) -> str:
    """How the database writes a time, as ``strftime`` takes it."""
    with Database.of(Settings(home=home / "pupila"), create=True) as database:
        database.prepare()
        with database.writing() as connection:
            row = {"minute": datetime(2001, 2, 3, 4, 5, tzinfo=UTC), "model": "-", "version": "-"}
            connection.execute(
                insert(traffic).values(row | {"role": "-", "kind": "-", "key": "-", "count": 1})
            )
            written = str(connection.execute(text("SELECT minute FROM traffic")).scalar_one())
            connection.execute(text("DELETE FROM traffic"))
    return written.replace("2001-02-03", "%Y-%m-%d").replace("04:05:00", "%H:%M:%S")


def process_seconds(pid: int) -> float:
    """Of the processor, by all threads of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def thread_seconds(pid: int) -> float:
    """Of the processor, by the first thread of a process: in a worker, the event loop's."""
    return int(Path(f"/proc/{pid}/task/{pid}/schedstat").read_text().split()[0]) / 1e9


def client(server: Server) -> httpx2.Client:
    return httpx2.Client(base_url=server.url, timeout=60, verify=NO_TLS, trust_env=False)


def pages(server: Server, times: int) -> list[tuple[str, float, float]]:
    """Milliseconds of the worker for each page: the first time, and the median of the others."""
    (worker,) = server.workers()
    found = []
    with client(server) as browser:
        # What is imported at the first visit is no page's.
        browser.get("/console/login")
        for page in PAGES:
            costs = []
            for _ in range(times):
                before = process_seconds(worker)
                answer = browser.get(f"/console/{page}")
                answer.raise_for_status()
                costs.append(1000 * (process_seconds(worker) - before))
            found.append((page, costs[0], statistics.median(costs[1:])))
    return found


@contextlib.contextmanager
def visitors(server: Server, pause: float) -> Iterator[list[int]]:
    """Clients that load the pages in turn; how many they got."""
    ended = threading.Event()
    got = [0] * CLIENTS

    def visit(number: int) -> None:
        with client(server) as browser:
            turn = number
            while not ended.wait(pause):
                browser.get(f"/console/{PAGES[turn % len(PAGES)]}")
                got[number] += 1
                turn += 1

    threads = [threading.Thread(target=visit, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    try:
        yield got
    finally:
        ended.set()
        for thread in threads:
            thread.join()


def a_prediction(server: Server, rate: float, seconds: float) -> tuple[float, float]:
    """Microseconds of the event loop's thread for each, and how many there were in a second."""
    (worker,) = server.workers()
    host, port = "127.0.0.1", int(server.url.rpartition(":")[2])
    head = f"POST /predict/ HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(_BODY)}\r\n\r\n"
    request = head.encode() + _BODY
    ended = threading.Event()
    counts = [0] * CONNECTIONS

    def ask(number: int) -> None:
        arrivals, due = random.Random(number), time.monotonic()
        with socket.create_connection((host, port)) as connection:
            while not ended.is_set():
                due += arrivals.expovariate(rate / CONNECTIONS)
                time.sleep(max(0.0, due - time.monotonic()))
                connection.sendall(request)
                # The answer is small, and comes in one piece.
                if not connection.recv(65_536).startswith(b"HTTP/1.1 200"):
                    raise click.ClickException("A prediction was not answered.")
                counts[number] += 1

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    time.sleep(WARM_SECONDS)
    before, began, count = thread_seconds(worker), time.monotonic(), sum(counts)
    time.sleep(seconds)
    spent, done = thread_seconds(worker) - before, sum(counts) - count
    took = time.monotonic() - began
    ended.set()
    for thread in threads:
        thread.join()
    return 1e6 * spent / done, done / took


def _ratio(column: list[tuple[float, float]], base: list[tuple[float, float]]) -> float:
    return statistics.median(one[0] / other[0] for one, other in zip(column, base, strict=True))


@click.command(context_settings={"show_default": True, "max_content_width": 100})
@click.option("--records", default=1_000_000, type=click.IntRange(1))
@click.option("--rounds", default=21, type=click.IntRange(2))
@click.option("--rate", default=2000.0, type=click.FloatRange(1), help="Predictions a second.")
@click.option("--seconds", default=2.0, type=click.FloatRange(0.5), help="Of each measurement.")
@click.option("--pause", default=1.0, help="Seconds between two pages of a visitor.")
@click.option("--output", default=ROOT / "bench" / "console.md", type=click.Path(path_type=Path))
def main(
    records: int, rounds: int, rate: float, seconds: float, pause: float, output: Path
) -> None:
    """Say what the console costs."""
    folder = Path(tempfile.mkdtemp(prefix="pupila-bench-"))
    try:
        store = Store(folder / "models")
        # So that all labels came after its training, and are counted.
        made = datetime.now(UTC) - timedelta(days=31)
        store.save(LinearDraft(seed=1, created_at=made))
        version = store.save(LinearDraft(seed=2, created_at=made + timedelta(hours=1)))
        fill(folder, records, version.version)
        with (
            serve(folder, record_per_minute=60) as server,
            serve(folder, record_per_minute=60) as other,
        ):
            costs = pages(server, VISITS)
            pages(other, 2)
            without: list[tuple[float, float]] = []
            elsewhere: list[tuple[float, float]] = []
            beside: list[tuple[float, float]] = []
            visited = 0
            turns = [(without, None), (elsewhere, other), (beside, server)]
            for _ in range(rounds):
                random.shuffle(turns)
                for column, visited_server in turns:
                    with contextlib.ExitStack() as stack:
                        got = [0]
                        if visited_server is not None:
                            got = stack.enter_context(visitors(visited_server, pause))
                        column.append(a_prediction(server, rate, seconds))
                        visited += sum(got) if visited_server is server else 0
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    rows = [(f"`{page}`", f"{first:.0f} ms", f"{later:.0f} ms") for page, first, later in costs]
    columns = (without, elsewhere, beside)
    measured = [
        (
            where,
            f"{statistics.median(one[0] for one in column):.0f} µs",
            f"{statistics.median(one[1] for one in column):,.0f}",
            f"{_ratio(column, without):.3f}",
            f"{_ratio(column, elsewhere):.3f}",
        )
        for where, column in zip(("nowhere", "another server", "this server"), columns, strict=True)
    ]
    text_ = "\n".join(
        [
            heading("The console", ["python -m bench.console", " ".join(sys.argv[1:])]),
            f"Processor time of a page over {records:,} records of a month, in SQLite: the first",
            "visit of a worker, and the median of later ones.\n",
            markdown(("page", "first visit", "later"), rows),
            "",
            f"Processor time of a prediction, at {rate:,.0f} a second, on the thread that",
            f"answers it, while {CLIENTS} visitors load a page, wait {pause:g} s, load the next,",
            f"and so on ({visited} pages of this server). Ratios are medians over rounds.\n",
            markdown(
                (
                    "visitors of",
                    "a prediction",
                    "in a second",
                    "to none",
                    "to those of another server",
                ),
                measured,
            ),
        ]
    )
    output.write_text(text_ + "\n", encoding="utf-8")
    click.echo(text_)


if __name__ == "__main__":
    main(prog_name="python -m bench.console")
