"""What is left of workers that were killed."""

import os
import subprocess
import sys
from pathlib import Path

from serving.metrics import forget_dead_workers


def dead() -> int:
    """The id of a process that was, and is no more."""
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    return ended.pid


def test_what_a_killed_worker_had_in_flight_is_forgotten(tmp_path: Path) -> None:
    gone = tmp_path / f"gauge_livesum_{dead()}w.db"
    gone.touch()
    forget_dead_workers(tmp_path)
    assert not gone.exists()


def test_a_living_worker_keeps_its_own(tmp_path: Path) -> None:
    kept = tmp_path / f"gauge_livesum_{os.getpid()}w.db"
    kept.touch()
    forget_dead_workers(tmp_path)
    assert kept.exists()


def test_a_dead_worker_s_counts_stay(tmp_path: Path) -> None:
    kept = tmp_path / f"counter_{dead()}w.db"
    kept.touch()
    forget_dead_workers(tmp_path)
    assert kept.exists()
