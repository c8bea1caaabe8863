"""Processes that end with their place."""

import sys
from typing import IO

import pytest

from demo.place import Place, finished
from errors import DemoError

SLEEPS = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(600)"]
FAILS = [sys.executable, "-c", "import sys; sys.exit('no more memory')"]


def test_what_was_started_ends_and_nothing_is_left() -> None:
    with Place({}) as place:
        said = []

        def listen(output: IO[str]) -> None:
            with output:
                said.append(output.readline())

        process = place.start("sleeper", SLEEPS, listen)
        place.check()
    assert said == ["up\n"]
    assert process.returncode is not None
    assert not place.folder.exists()


def test_a_process_that_ends_is_named_with_its_last_words() -> None:
    with Place({}) as place:
        place.start("server", FAILS).wait()
        with pytest.raises(DemoError, match="The server ended with code 1: no more memory"):
            place.check()


def test_a_command_that_fails_says_why_and_knows_only_its_own_settings() -> None:
    with Place({"PUPILA_GUARD_MINUTES": "many"}) as place:
        command = place.command("pipeline", "history")
        with pytest.raises(DemoError, match="A look failed: Error: PUPILA_GUARD_MINUTES is 'many'"):
            finished(command, "A look")
