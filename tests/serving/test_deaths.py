"""What becomes of a worker's metrics when it has ended."""

import os
import shutil
from pathlib import Path

import pytest

from internals_metrics import WorkerEnd, collected, folder
from serving.deaths import Deaths
from serving.metrics import IN_FLIGHT, RECORDS_WAITING


def counts(where: Path) -> dict[str, float]:
    """What the supervisor has counted, by the reason."""
    return {
        sample.labels["reason"]: sample.value
        for family in collected(where)
        for sample in family.samples
        if sample.value and "reason" in sample.labels
    }


def end(
    where: Path, code: int | None = -9, *, process: int = 1, is_stop: bool = False
) -> WorkerEnd:
    return WorkerEnd(process, code, is_stop, where)


@pytest.mark.parametrize(
    ("code", "reason"),
    [(-9, "SIGKILL"), (-11, "SIGSEGV"), (1, "exit"), (0, "exit"), (None, "exit")],
)
def test_a_restart_is_counted_by_its_reason(tmp_path: Path, code: int | None, reason: str) -> None:
    deaths = Deaths()
    deaths.note(end(tmp_path, code))
    deaths.note(end(tmp_path, code))
    assert counts(tmp_path) == {reason: 2}


def test_a_worker_that_was_told_to_end_is_no_restart(tmp_path: Path) -> None:
    Deaths().note(end(tmp_path, 0, is_stop=True))
    assert counts(tmp_path) == {}


def test_one_that_the_kernel_ended_for_want_of_memory_is_told_apart(tmp_path: Path) -> None:
    events = tmp_path / "sys/fs/cgroup/memory.events"
    for name, text in {
        "proc/self/cgroup": "0::/\n",
        "proc/self/mountinfo": "31 23 0:28 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
        "sys/fs/cgroup/memory.events": "oom 0\noom_kill 4\n",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    deaths = Deaths(tmp_path)
    deaths.note(end(tmp_path))
    events.write_text("oom 1\noom_kill 5\n")
    deaths.note(end(tmp_path))
    deaths.note(end(tmp_path))
    assert counts(tmp_path) == {"SIGKILL": 2, "oom": 1}


def test_what_it_had_in_flight_is_forgotten_and_what_it_had_to_write_is_lost(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    mine = folder()
    assert mine is not None
    IN_FLIGHT.inc(3)
    RECORDS_WAITING.inc(5)
    waiting = int(RECORDS_WAITING._value.get())
    for path in mine.glob(f"*_{os.getpid()}w.db"):
        shutil.copy(path, tmp_path)
    Deaths().note(end(tmp_path, process=os.getpid()))
    IN_FLIGHT.dec(3)
    RECORDS_WAITING.dec(5)
    assert not [*tmp_path.glob("gauge_live*")]
    assert counts(tmp_path)["killed"] == waiting
    assert f"{waiting} records of worker {os.getpid()} were lost" in caplog.text


def test_a_folder_that_is_gone_keeps_nobody_from_being_replaced(tmp_path: Path) -> None:
    Deaths().note(end(tmp_path / "gone"))
