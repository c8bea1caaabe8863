"""From ``git clone`` to the first right answer, once by pip alone and once by ``scripts/install``.

Every step runs in a fresh clone of HEAD; caches and model store are in the same temporary folder.
Processor time is that of all processes: of those that ended by ``getrusage``, of servers by /proc.
"""

import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from bench.process import ROOT, free_port, running
from bench.table import markdown

LOCK = "requirements/train.txt"  # the set that `make serve` installs
BASE_PYTHON = os.path.realpath(sys.executable)
STEPS = {
    "install": "installation",
    "first": "first `make serve` after it, which trains",
    "answer": "clone to answer: both",
    "second": "second `make serve`",
    "cached": "installation from a full cache",
    "everything": "installation, the libraries' own tests compiled too",
}


class CloneError(click.ClickException):
    """A step on the way from clone to answer that failed."""


@dataclass(frozen=True)
class Cost:
    """Seconds of all processors, and on the wall."""

    cpu: float
    wall: float

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(self.cpu + other.cpu, self.wall + other.wall)


@dataclass(frozen=True)
class Sample:
    """What one step took in one round, with one installer."""

    installer: str
    step: str
    cost: Cost


def run(*commands: Sequence[str | Path], cwd: Path, **variables: str) -> Cost:
    """The commands one after the other. Raises CloneError with the last words of one that fails."""
    before, started = _children_seconds(), time.perf_counter()
    for command in commands:
        done = subprocess.run(
            command,
            cwd=cwd,
            env=os.environ | variables,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise CloneError(f"{command[0]} failed: {done.stderr.strip()[-400:]}")
    return Cost(_children_seconds() - before, time.perf_counter() - started)


def _children_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def install_with_pip(clone: Path, **caches: str) -> Cost:
    """What scripts/install did before it used uv."""
    python = clone / ".venv" / "bin" / "python"
    cost = run(
        [BASE_PYTHON, "-m", "venv", "--clear", ".venv"],
        [
            *(
                python,
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
                "--compile",
            ),
            *("--require-hashes", "--only-binary", ":all:", "--requirement", LOCK),
        ],
        cwd=clone,
        **caches,
    )
    for name in ("serving", "train"):
        (clone / ".venv" / f".installed-{name}").touch()
    return cost


def install_with_script(clone: Path, **caches: str) -> Cost:
    return run(["scripts/install", "train"], cwd=clone, PYTHON=BASE_PYTHON, **caches)


INSTALLERS: dict[str, Callable[..., Cost]] = {
    "pip": install_with_pip,
    "scripts/install": install_with_script,
}


def samples(rounds: int, folder: Path) -> Iterator[Sample]:
    """Every step of every round, the full cache in the first alone; the installers take turns."""
    for number in range(rounds):
        for name, install in INSTALLERS.items():
            home = folder / f"{number}-{name.replace('/', '-')}"
            home.mkdir()
            for step, cost in _steps(install, home, cached=number == 0):
                yield Sample(name, step, cost)
            shutil.rmtree(home)


def _steps(install: Callable[..., Cost], home: Path, cached: bool) -> Iterator[tuple[str, Cost]]:
    clone = home / "clone"
    caches = {"UV_CACHE_DIR": str(home / "uv"), "PIP_CACHE_DIR": str(home / "pip")}
    run(["git", "clone", "--quiet", str(ROOT), str(clone)], cwd=home)
    installation = install(clone, **caches)
    yield "install", installation
    first = _serve(clone, home)
    yield "first", first
    yield "answer", installation + first
    yield "second", _serve(clone, home)
    everything = run(
        [clone / ".venv/bin/python", "-m", "compileall", "-qq", clone / ".venv/lib"], cwd=clone
    )
    yield "everything", installation + everything
    if cached:
        shutil.rmtree(clone / ".venv")
        yield "cached", install(clone, **caches)


def _serve(clone: Path, home: Path) -> Cost:
    """`make serve` until it answers rightly; then it is stopped."""
    port = free_port()
    body = (ROOT / "tests" / "data" / "predict_digit8.json").read_bytes()

    def answers() -> bool:
        request = urllib.request.Request(f"http://127.0.0.1:{port}/predict/", body)
        try:
            with urllib.request.urlopen(request, timeout=5) as response:
                return bool(json.loads(response.read())["prediction"] == 8)
        except OSError:
            return False

    settings = {
        "PORT": str(port),
        "BENTOML_HOME": str(home / "bentoml"),
        "PUPILA_HOME": str(home / "pupila"),
    }
    started = time.perf_counter()
    command = ["make", "-C", str(clone), "serve"]
    with running(command, settings, home / "serve.log", answers) as tree:
        return Cost(tree.cpu_seconds(), time.perf_counter() - started)


def report(found: Sequence[Sample]) -> str:
    """Medians over the rounds in a table, and below it every round of the installation."""

    def costs(installer: str, step: str) -> list[Cost]:
        return [one.cost for one in found if (one.installer, one.step) == (installer, step)]

    rows = []
    for step, title in STEPS.items():
        cells = []
        for part in ("cpu", "wall"):
            pip, script = (
                statistics.median(getattr(cost, part) for cost in costs(installer, step))
                for installer in INSTALLERS
            )
            cells += [f"{pip:.1f}", f"{script:.1f}", f"{script / pip:.2f}"]
        rows.append([title, *cells])
    head = ["medians", "CPU s, pip", "scripts/install", "x", "wall s, pip", "scripts/install", "x"]
    rounds = [
        f"- {installer}: "
        + ", ".join(
            f"{cost.cpu:.1f} CPU s in {cost.wall:.1f} s" for cost in costs(installer, "install")
        )
        for installer in INSTALLERS
    ]
    return "\n".join(
        [markdown(head, rows), "", "Each installation, in the order of the rounds:", "", *rounds]
    )
