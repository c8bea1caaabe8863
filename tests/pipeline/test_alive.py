from pathlib import Path

import pytest

from errors import PipelineError
from pipeline.alive import Alive


def test_the_task_that_is_due_first_counts(tmp_path: Path) -> None:
    path = tmp_path / "alive"
    alive = Alive(path, {"monitor": 100.0, "retrain": 1000.0}.__getitem__, now=lambda: 5000.0)
    alive.looks("retrain")
    assert path.read_text() == "6060\n"
    alive.looks("monitor")
    assert path.read_text() == "5160\n"
    alive.waits("monitor", 10_000)
    assert path.read_text() == "6060\n"


def test_without_a_file_nothing_is_written(tmp_path: Path) -> None:
    Alive(None, lambda _: 1.0).looks("guard")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    alive = Alive(tmp_path / "missing" / "alive", lambda _: 1.0)
    with pytest.raises(PipelineError, match=r"missing/alive cannot be written: No such file"):
        alive.looks("guard")
