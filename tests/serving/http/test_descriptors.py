"""Each in a process of its own, since a limit that was lowered cannot be raised again."""

import subprocess
import sys

import pytest

ASK = """
import logging, resource, sys
from serving.http.descriptors import connections
logging.basicConfig(stream=sys.stdout, format="%(message)s")
soft, hard, wanted = map(int, sys.argv[1:])
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
print(connections(wanted), *resource.getrlimit(resource.RLIMIT_NOFILE))
"""


def ask(soft: int, hard: int, wanted: int) -> list[str]:
    command = [sys.executable, "-c", ASK, str(soft), str(hard), str(wanted)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()


@pytest.mark.parametrize(
    ("soft", "hard", "answer"),
    [
        (1024, 1024, "512 1024 1024"),
        (256, 1024, "512 640 1024"),
        (640, 1024, "512 640 1024"),
    ],
)
def test_as_many_as_wanted(soft: int, hard: int, answer: str) -> None:
    assert ask(soft, hard, 512) == [answer]


def test_fewer_and_a_warning() -> None:
    warning, answer = ask(256, 512, 4096)
    assert answer == "384 512 512"
    assert "512 open files allows 384 connections" in warning
    assert "ulimit -n" in warning
