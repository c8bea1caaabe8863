"""A model store of this run's own: no test ever sees, or touches, the user's.

``make test`` runs the files in several processes. Each has a store and records of its own, so no
test meets what another is doing; the training that all of them begin with is done once.
"""

import gc
import logging
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import httpx2
import pytest

from tests.forking import command
from tests.progress import Progress
from tests.servers import DEADLINE_MS, NO_TLS, ROOT, Server, environment, serve
from tests.sharing import HOME, WORKER, once, usable_cpus
from tests.waiting import PATIENCE_SECONDS

for name in list(os.environ):
    if name.startswith(("PUPILA_", "BENTOML_")) or name == "PORT":
        del os.environ[name]
# Before anything imports NumPy: every CPU has a process of tests already, and on a busy machine the
# threads of BLAS wait for each other. A training of 60 drawings took 94 s of CPU instead of 14.
os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
# What a terminal is told of colors depends on these, and some machines say that there is none.
os.environ["TERM"] = "xterm-256color"
for name in ("NO_COLOR", "FORCE_COLOR"):
    os.environ.pop(name, None)
# Many containers set it; then each of the 150 processes that the tests start compiles our modules.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
# Before anything imports BentoML, which reads it once.
os.environ["BENTOML_HOME"] = str(HOME)
os.environ["BENTOML_DO_NOT_TRACK"] = "True"
# The records of the service that runs in this process, and its settings: every prediction is kept,
# however many tests there are in a minute.
KEPT = 1_000_000
os.environ["PUPILA_HOME"] = str(HOME / "in-process")
os.environ["PUPILA_RECORD_PER_MINUTE"] = str(KEPT)
os.environ["PUPILA_DEADLINE_MS"] = str(DEADLINE_MS)
# Where BentoML keeps its metrics; `bentoml serve` makes a folder for this by itself.
os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(HOME / "metrics")
(HOME / "metrics").mkdir(exist_ok=True)
# A shell's background job ignores it, and so would every process that the tests interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Python looks for garbage after each 700 new objects, and then again and again at all libraries.
gc.set_threshold(20_000, 20, 20)

# More of them than this would wait for the longest file, and each collects all tests.
MAX_PROCESSES = 8

# Begun first, in this order, so that no process has one of them left when the others are done.
SLOWEST = tuple(
    f"tests/{name}.py"
    for name in (
        "live/test_docs",
        "live/test_chaos",
        "live/test_silence",
        "live/test_records",
        "live/test_keys",
        "live/test_metrics",
        "score/test_killed",
        "train/test_cli",
        "pipeline/test_retrain",
        "live/test_rollouts",
        "serving/routing/test_trial",
        "live/test_document",
        "train/test_search",
        "train/test_recipes",
        "train/test_fit",
        "models/offline/test_graphs",
        "images/test_costs",
        "monitor/test_cli",
    )
)


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    reporter = config.pluginmanager.getplugin("terminalreporter")
    if reporter is not None and not WORKER:
        config.pluginmanager.register(Progress(config, reporter), "progress")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """For ``-n auto``, one more than CPUs, as tests wait too; 0 runs them in the one process."""
    cpus = usable_cpus()
    return min(cpus + 1, MAX_PROCESSES) if cpus > 1 else 0


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if WORKER:
        ranks = {path: rank for rank, path in enumerate(SLOWEST)}
        items.sort(key=lambda item: ranks.get(item.nodeid.partition("::")[0], len(ranks)))


def pytest_collection_finish() -> None:
    """What is there before the first test is there to the end: 1.5 million objects."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def uncollected() -> Iterator[None]:
    """Nothing is freed by looking for cycles, which a server has Python do seldom."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.fixture
def new(uncollected: None) -> Callable[[type], list[object]]:
    """Those of a type that have been made since, and are in memory."""
    before = {id(one) for one in gc.get_objects()}
    return lambda kind: [
        one for one in gc.get_objects() if isinstance(one, kind) and id(one) not in before
    ]


@pytest.fixture
def measure(
    record_property: Callable[[str, object], None],
) -> Callable[[str], AbstractContextManager[None]]:
    """Times a block, and has its seconds printed at the end of the run."""

    @contextmanager
    def measuring(what: str) -> Iterator[None]:
        began = time.monotonic()
        yield
        record_property(what, f"{time.monotonic() - began:.1f} s")

    return measuring


def run(*arguments: str, home: Path = HOME) -> str:
    """What a command of ours prints, run as a user runs it."""
    done = command(*arguments, env=environment(home))
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def train_all(folder: Path) -> None:
    """The default model, one of a user's own images, and a pickle's.

    By the commands themselves, but in this process: in three others, four fifths of the time went
    into importing scikit-learn.
    """
    from click.testing import CliRunner

    import models.__main__
    import train.__main__
    from tests.drawing import draw_folder

    shapes = draw_folder(folder / "shapes", 60)
    pickle = str(ROOT / "tests" / "data" / "clf.pickle")
    for main, arguments in (
        (train.__main__.main, ()),
        (train.__main__.main, ("--data", str(shapes), "--name", "shapes")),
        (
            models.__main__.main,
            ("import", pickle, "--name", "old", "--image-spec", "digits", "--trust"),
        ),
    ):
        done = CliRunner().invoke(main, arguments)
        assert done.exit_code == 0, done.output
    for name in ("clf", "shapes", "old"):
        shutil.copytree(HOME / "models" / name, folder / "models" / name)


@pytest.fixture(scope="session")
def home() -> Path:
    """A store as users have it: the default model, one of their own images, and a pickle's."""
    trained = once("trained", train_all)
    shutil.copytree(trained / "models", HOME / "models", dirs_exist_ok=True)
    return HOME


@pytest.fixture(scope="session")
def server(home: Path) -> Iterator[Server]:
    with serve(home, record_per_minute=KEPT) as running:
        yield running


@pytest.fixture(scope="session")
def http(server: Server) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=server.url, timeout=PATIENCE_SECONDS, verify=NO_TLS) as client:
        yield client


@pytest.fixture(scope="session")
def in_process(home: Path) -> Iterator[httpx2.Client]:
    from starlette.testclient import TestClient

    from service import service

    with TestClient(service.to_asgi(), raise_server_exceptions=False) as client:
        yield client


@pytest.fixture(params=["in_process", "http"])
def client(request: pytest.FixtureRequest) -> httpx2.Client:
    """The same tests, without a network and over one."""
    chosen: httpx2.Client = request.getfixturevalue(request.param)
    return chosen


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    """What a command of one test sets up must not hide the lines of the next."""
    loggers = [logging.getLogger(), logging.getLogger("pupila")]
    levels = [one.level for one in loggers]
    yield
    for one, level in zip(loggers, levels, strict=True):
        one.setLevel(level)
        # Not pytest's own.
        for handler in [old for old in one.handlers if type(old).__module__ == "logs.output"]:
            one.removeHandler(handler)
