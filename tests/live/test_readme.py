"""The README's code is run, and its output compared with what the README shows."""

import contextlib
import io
import itertools
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.servers import ROOT, Server, environment

README = (ROOT / "README.md").read_text()
URL = "http://localhost:8000"


class Block(NamedTuple):
    language: str
    text: str


class Command(NamedTuple):
    line: str
    output: str


def blocks() -> list[Block]:
    fenced = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
    return [Block(*found) for found in fenced.findall(README)]


def commands() -> list[Command]:
    consoles = "".join(block.text for block in blocks() if block.language == "console")
    prompted = re.compile(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", re.MULTILINE)
    return [Command(*found) for found in prompted.findall(consoles)]


def programs() -> list[tuple[str, str]]:
    """Each Python block with the text block that follows it."""
    found = blocks()
    return [
        (block.text, following.text)
        for block, following in itertools.pairwise(found)
        if block.language == "python"
    ]


VARYING = {
    r"\b([a-z]+):[a-z2-7]{16}\b": r"\1:<version>",
    r'"version":"[a-z2-7]{16}"': '"version":"<version>"',
    r"\d{4}-\d\d-\d\d \d\d:\d\d": "<time>",
    r"\d\.\de-\d\d": "<difference>",
    r"0\.\d{3}": "<accuracy>",
}


def comparable(text: str) -> str:
    """Without what no two runs have in common: versions, times, the last digits of figures."""
    for pattern, name in VARYING.items():
        text = re.sub(pattern, name, text)
    return text.strip()


@pytest.fixture
def own(home: Path, tmp_path: Path) -> Path:
    """A store with what the README has trained by then, whatever other tests have saved."""
    for name in ("clf", "shapes"):
        shutil.copytree(home / "models" / name, tmp_path / "models" / name)
    return tmp_path


def test_every_command_prints_what_the_readme_shows(server: Server, own: Path) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    assert len(commands()) >= 6
    for command in commands():
        done = subprocess.run(
            ["sh", "-c", command.line.replace(URL, server.url)],
            cwd=ROOT,
            env=environment(own) | {"PATH": path},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert comparable(done.stdout) == comparable(command.output), command.line


def test_every_program_prints_what_the_readme_shows(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    assert len(programs()) == 2
    for program, output in programs():
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(program.replace(URL, server.url), {})  # noqa: S102 - it is our README
        assert comparable(printed.getvalue()) == comparable(output)
