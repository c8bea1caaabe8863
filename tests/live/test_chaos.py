"""A short form of ``make chaos``."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers import ROOT


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_good_clients_are_not_harmed(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "bench.chaos", "--seconds", "10"]
    done = subprocess.run(
        [*command, "--output", str(tmp_path / "chaos.md")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "chaos.svg").stat().st_size > 0
