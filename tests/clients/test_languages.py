"""The programs of docs/clients.md in other languages, run where their runtime is."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.servers import ROOT, Server
from tests.waiting import PATIENCE_SECONDS

PAGE = ROOT / "docs" / "clients.md"
PROGRAMS = {"predict.mjs": ("node", "8\n"), "Predict.java": ("java", '200 {"request_id":"123"')}


def program(name: str) -> str:
    """The text of one of the page's programs, whose first line names it."""
    match = re.search(rf"```text\n// {re.escape(name)}\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert match is not None, name
    return match[1]


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_prints_the_prediction(name: str, server: Server, tmp_path: Path) -> None:
    runtime, wanted = PROGRAMS[name]
    found = shutil.which(runtime)
    if found is None:
        pytest.skip(f"{runtime} is not installed")
    file = tmp_path / name
    text = program(name)
    assert "http://localhost:8000" in text
    file.write_text(text.replace("http://localhost:8000", server.url), encoding="utf-8")
    done = subprocess.run(
        [found, str(file)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_SECONDS,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(wanted), done.stdout
