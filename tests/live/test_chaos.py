"""A short form of ``make chaos``."""

import os
import sys
from pathlib import Path

import pytest

from tests.forking import command


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_good_clients_are_not_harmed(home: Path, tmp_path: Path) -> None:
    # Begins with a kill, a locked database and a broken version; a training would take minutes.
    options = ["--seconds", "12", "--seed", "4", "--store", str(home)]
    output = ["--output", str(tmp_path / "chaos.md")]
    done = command("bench.chaos", *options, *output, env=os.environ)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "chaos.svg").stat().st_size > 0
