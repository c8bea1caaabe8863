"""The image, built of the tests' own models. ``make image-test`` finds an engine and sets
CONTAINER_TESTS; without it, these tests are not even collected."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.containers import IMAGE, Container, running
from tests.servers import ROOT, environment
from tests.waiting import PATIENCE_SECONDS

pytest.register_assert_rewrite("tests.test_service")

if not os.environ.get("CONTAINER_TESTS"):
    collect_ignore_glob = ["test_*.py"]

FIGURES: dict[str, str] = {}


@pytest.fixture(scope="session")
def image(home: Path) -> str:
    """The image's tag; its Bento stays in the store of the tests."""
    done = subprocess.run(
        [ROOT / "scripts" / "image", IMAGE],
        cwd=ROOT,
        env=environment(home),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return IMAGE


@pytest.fixture(scope="session")
def container(image: str) -> Iterator[Container]:
    """One with the CPU and the memory of the smallest place it is meant for. It samples
    less than by default: a batch in the same half second as a prediction that gets a label would
    leave that prediction out, in one run of ten."""
    kept = {"PUPILA_RECORD_PER_MINUTE": "3000"}
    with running("--cpus=1", "--memory=512m", environment=kept) as ready:
        FIGURES["to ready, 1 CPU, 512 MiB"] = f"{ready.ready_seconds:.1f} s (aim: 5)"
        FIGURES["memory at rest, 1 worker"] = f"{ready.memory_mib():.0f} MiB"
        yield ready


@pytest.fixture(scope="session")
def client(container: Container) -> Iterator[httpx2.Client]:
    """In place of the service in this process, and of one started from the checkout."""
    with httpx2.Client(base_url=container.url, timeout=PATIENCE_SECONDS) as asking:
        yield asking


@pytest.hookimpl
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for name, figure in FIGURES.items():
        terminalreporter.write_line(f"{name}: {figure}")
