"""The README's code is run, and its output compared with what the README shows.

``...`` in an expected output stands for anything, as in doctest.
"""

import contextlib
import doctest
import io
import itertools
import os
import re
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


def assert_as_shown(expected: str, printed: str) -> None:
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    assert doctest.OutputChecker().check_output(expected, printed, flags), printed


@pytest.mark.parametrize("command", commands(), ids=lambda command: command.line[:60])
def test_a_command_prints_what_the_readme_shows(server: Server, command: Command) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["sh", "-c", command.line.replace(URL, server.url)],
        cwd=ROOT,
        env=environment(server.home) | {"PATH": path, "COLUMNS": "100"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert_as_shown(command.output, done.stdout + "\n")


@pytest.mark.parametrize(("program", "output"), programs())
def test_a_program_prints_what_the_readme_shows(
    server: Server, program: str, output: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(program.replace(URL, server.url), {})  # noqa: S102 - it is our README
    assert_as_shown(output, printed.getvalue())


def test_there_is_something_to_run() -> None:
    assert len(commands()) >= 6
    assert len(programs()) == 2
