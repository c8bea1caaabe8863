"""What becomes of a worker's metrics when it has ended."""

import os
import shutil
from pathlib import Path

from internals_metrics import collected, folder
from internals_supervisor import WorkerEnd
from serving.deaths import settle
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


def test_a_restart_is_counted_by_its_reason(tmp_path: Path) -> None:
    for reason in ("SIGKILL", "oom", "SIGKILL"):
        assert settle(end(tmp_path), reason) == 0
    assert counts(tmp_path) == {"SIGKILL": 2, "oom": 1}


def test_a_worker_that_was_told_to_end_is_no_restart(tmp_path: Path) -> None:
    settle(end(tmp_path, 0, is_stop=True), "exit")
    assert counts(tmp_path) == {}


def test_what_it_had_in_flight_is_forgotten_and_what_it_had_to_write_is_lost(
    tmp_path: Path,
) -> None:
    mine = folder()
    assert mine is not None
    IN_FLIGHT.inc(3)
    RECORDS_WAITING.inc(5)
    waiting = int(RECORDS_WAITING._value.get())
    for path in mine.glob(f"*_{os.getpid()}w.db"):
        shutil.copy(path, tmp_path)
    assert settle(end(tmp_path, process=os.getpid()), "exit") == waiting
    IN_FLIGHT.dec(3)
    RECORDS_WAITING.dec(5)
    assert not [*tmp_path.glob("gauge_live*")]
    assert counts(tmp_path)["killed"] == waiting


def test_a_folder_that_is_gone_keeps_nobody_from_being_replaced(tmp_path: Path) -> None:
    assert settle(end(tmp_path / "gone"), "exit") == 0
