"""What several processes do to one database.

They are forked from a process that has loaded ``records``: to start an interpreter for each, with
SQLAlchemy and Alembic, takes a second of CPU time.
"""

import multiprocessing
from collections.abc import Callable, Iterable
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from multiprocessing.synchronize import Barrier
from typing import Any

from click.testing import CliRunner

from records.__main__ import main
from records.chunks import chunks
from records.database import Database
from records.labels import NewLabel, add
from records.writer import write
from tests.records.rows import NOON, row

_CONTEXT = multiprocessing.get_context("forkserver")
# pytest too: a child imports the main module of its parent.
_CONTEXT.set_forkserver_preload(["pytest", "records.migrations", "tests.records.processes"])


def together(
    work: Callable[[Connection, *tuple[Any, ...]], None], arguments: Iterable[tuple[Any, ...]]
) -> list[Any]:
    """Run ``work`` in a process for each of the arguments, all beginning at the same time.

    Returns what each has sent; fails if a process did.
    """
    calls = list(arguments)
    ready = _CONTEXT.Barrier(len(calls))
    processes: list[ForkServerProcess] = []
    results = []
    for call in calls:
        receiver, sender = _CONTEXT.Pipe(duplex=False)
        process = _CONTEXT.Process(target=_begin, args=(work, ready, sender, *call))
        process.start()
        sender.close()
        processes.append(process)
        results.append(receiver)
    sent = [receiver.recv() for receiver in results]
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * len(calls)
    return sent


def start(work: Callable[..., None], *arguments: Any) -> tuple[ForkServerProcess, Connection]:
    """One process, and where what it sends can be received."""
    receiver, sender = _CONTEXT.Pipe(duplex=False)
    process = _CONTEXT.Process(target=work, args=(sender, *arguments))
    process.start()
    sender.close()
    return process, receiver


def _begin(work: Callable[..., None], ready: Barrier, *arguments: Any) -> None:
    # Not for ever, if one of them dies before.
    ready.wait(120)
    work(*arguments)


def migrate(output: Connection, url: str) -> None:
    """``python -m records migrate``; sends what it prints."""
    environment = {"PUPILA_DATABASE_URL": url}
    output.send(CliRunner().invoke(main, ["migrate"], env=environment).output)


def hammer(done: Connection, url: str, number: int, rows: int) -> None:
    """Write predictions, traffic and labels as fast as possible.

    At the end, label the prediction that all processes label, and create it if no other has.
    """
    with Database(url, timeout=60) as database:
        for ids in chunks([f"{number}-{i}" for i in range(rows)], 50):
            # In different orders: writers that lock rows in the given order would deadlock.
            keys = [(NOON, "clf", "clf:a", "champion", "label", str(len(id_) % 3)) for id_ in ids]
            keys = keys if number % 2 else keys[::-1]
            write(database, [row(id_) for id_ in ids], {key: keys.count(key) for key in keys})
            items = [NewLabel(id_, 8) for id_ in (ids if number % 2 else ids[::-1])]
            outcomes = add(database, items, lambda _model: [8])
            assert {outcome.status for outcome in outcomes} == {"added"}
        shared = NewLabel("shared", 8, "clf", b"an image")
        outcome = add(database, [shared], lambda _model: [8])[0]
        if outcome.status == "added":
            write(database, [], {(NOON, "clf", "clf:a", "champion", "label", "0"): 1})
    done.send(None)


def label_requests(stored: Connection, url: str, count: int) -> None:
    """Label requests 0, 1, 2 … until it is killed; sends each when its label is stored."""
    with Database(url) as database:
        for number in range(count):
            add(database, [NewLabel(str(number), 3)], lambda _model: None)
            stored.send(str(number))
    stored.recv()
