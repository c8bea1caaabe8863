"""Scores in child processes that are killed, each at another moment; run by test_killed.py.

A moment is a call that changes the disk: it flushes, renames, removes or writes a file. Prints one
JSON line per moment: whether the child was killed, how many rows were on the disk then, how many
rows the next process scored, and whether the output is the expected one.
"""

import json
import os
import signal
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

# Imported before the forks, so that not every child has to.
import onnxruntime  # noqa: F401
import pyarrow.parquet as pq

from models.store import Store
from score import parts
from score.run import Options, Report, score

CHANGES = ((os, "fsync"), (os, "rename"), (os, "replace"), (os, "unlink"), (pq, "write_table"))


def child(work: Callable[[], object]) -> int:
    """Do the work in a child process; returns its exit status."""
    sys.stdout.flush()
    process = os.fork()
    if process == 0:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - the parent must not go on twice
            sys.stderr.write(f"{error!r}\n")
            os._exit(1)
        os._exit(0)
    return os.waitpid(process, 0)[1]


def kill_at(moment: int, after: bool) -> None:
    """Let this process be killed before, or after, the moment-th change of the disk."""
    remaining = [moment]

    def deadly(change: Any) -> Any:
        def called(*arguments: Any, **options: Any) -> Any:
            remaining[0] -= 1
            if remaining[0] == 0 and not after:
                os.kill(os.getpid(), signal.SIGKILL)
            result = change(*arguments, **options)
            if remaining[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        return called

    for module, name in CHANGES:
        setattr(module, name, deadly(getattr(module, name)))


def main(images: Path, out: Path, expected: Path, models: Path, rows: int) -> None:
    store = Store(models)
    options = Options(images, out, probabilities=True)

    def work() -> Report:
        return score(options, store, chunk_rows=rows)

    def die_at(moment: int, after: bool) -> None:
        kill_at(moment, after)
        work()

    def counted() -> None:
        done: list[int] = []
        score(options, store, lambda now, _total: done.append(now), chunk_rows=rows)
        out.with_name("scored").write_text(str(done[-1] - done[0]))

    for after in (False, True):
        moment = 0
        killed = True
        while killed:
            moment += 1
            out.unlink(missing_ok=True)
            status = child(partial(die_at, moment, after))
            killed = os.WIFSIGNALED(status)
            folder = out.with_name(out.name + parts.SUFFIX)
            kept = sum(pq.read_metadata(part).num_rows for part in folder.glob("part-*.parquet"))
            finished = out.exists()
            failed = 0
            if finished:
                out.with_name("scored").write_text("0")
                parts_exist = folder.exists()
                # Whoever wants a new result next must not be disturbed by this run.
                failed = child(lambda: score(Options(images, out, overwrite=True), store))
                out.unlink()
                failed = failed or child(work)
            else:
                parts_exist = True
                failed = child(counted)
            same = out.exists() and out.read_bytes() == expected.read_bytes()
            line = {
                "moment": moment,
                "after": after,
                "killed": killed,
                "kept": kept,
                "finished": finished,
                "parts_exist": parts_exist,
                "failed": failed,
                "scored": int(out.with_name("scored").read_text()),
                "same": same,
                "remains": folder.exists(),
            }
            print(json.dumps(line))  # noqa: T201


if __name__ == "__main__":
    given = [Path(argument) for argument in sys.argv[1:5]]
    main(given[0], given[1], given[2], given[3], int(sys.argv[5]))
