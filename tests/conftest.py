"""A model store of this run's own: no test ever sees, or touches, the user's."""

import atexit
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

HOME = Path(tempfile.mkdtemp(prefix="pupila-tests-"))
atexit.register(shutil.rmtree, HOME, ignore_errors=True)

for name in list(os.environ):
    if name.startswith(("PUPILA_", "BENTOML_")) or name == "PORT":
        del os.environ[name]
# Before anything imports NumPy: on a busy machine, several threads of BLAS wait for each other. The
# multi-layer perceptrons of these tests took 10 times as long.
os.environ["OMP_NUM_THREADS"] = "1"
# Before anything imports BentoML, which reads it once.
os.environ["BENTOML_HOME"] = str(HOME)
os.environ["BENTOML_DO_NOT_TRACK"] = "True"
# The records of the service that runs in this process.
os.environ["PUPILA_HOME"] = str(HOME / "in-process")
# Every prediction is kept, however many tests there are in a minute.
KEPT = 1_000_000
os.environ["PUPILA_RECORD_PER_MINUTE"] = str(KEPT)
# Where BentoML keeps its metrics; `bentoml serve` makes a folder for this by itself.
os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(HOME / "metrics")
(HOME / "metrics").mkdir()
# A shell's background job ignores it, and so would every process that the tests interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)

import httpx2  # noqa: E402
import pytest  # noqa: E402
from starlette.testclient import TestClient  # noqa: E402

from tests.drawing import draw_folder  # noqa: E402
from tests.servers import ROOT, Server, environment, serve  # noqa: E402


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


def run(*arguments: str, home: Path = HOME) -> str:
    """What a command of ours prints, run as a user runs it."""
    command = [sys.executable, "-m", *arguments]
    done = subprocess.run(
        command, cwd=ROOT, env=environment(home), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store as users have it: the default model, one of their own images, and a pickle's."""
    folder = draw_folder(tmp_path_factory.mktemp("shapes"), 60)
    run("train")
    run("train", "--data", str(folder), "--name", "shapes")
    pickle = ROOT / "tests" / "data" / "clf.pickle"
    run("models", "import", str(pickle), "--name", "old", "--image-spec", "digits", "--trust")
    return HOME


@pytest.fixture(scope="session")
def server(home: Path) -> Iterator[Server]:
    with serve(home, record_per_minute=KEPT) as running:
        yield running


@pytest.fixture(scope="session")
def http(server: Server) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=server.url, timeout=30) as client:
        yield client


@pytest.fixture(scope="session")
def in_process(home: Path) -> Iterator[httpx2.Client]:
    from service import service

    with TestClient(service.to_asgi(), raise_server_exceptions=False) as client:
        yield client


@pytest.fixture(params=["in_process", "http"])
def client(request: pytest.FixtureRequest) -> httpx2.Client:
    """The same tests, without a network and over one."""
    chosen: httpx2.Client = request.getfixturevalue(request.param)
    return chosen
