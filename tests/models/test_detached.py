"""Calls that nobody has to wait for."""

import subprocess
import sys
import threading

import pytest

from models.detached import detached


def test_the_result_and_the_error_of_a_call() -> None:
    assert detached("a", lambda a, b: a + b, 1, 2).result() == 3
    with pytest.raises(ZeroDivisionError):
        detached("b", lambda: 1 / 0).result()


def test_a_call_that_does_not_return_is_given_up() -> None:
    never = threading.Event()
    waiting = detached("never", never.wait)
    with pytest.raises(TimeoutError):
        waiting.result(0.01)
    never.set()
    assert waiting.result()


def test_it_does_not_hold_up_the_end_of_the_process() -> None:
    program = "import threading; from models.detached import detached; "
    program += "detached('never', threading.Event().wait)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
