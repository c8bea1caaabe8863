"""The examples of the documentation, run as a reader would run them.

The first word of a fence says what it holds:

- ``console``: commands after ``$ ``, each followed by what it prints, errors included;
- ``sh``: a script that must succeed;
- ``python``: a program that must succeed;
- ``text`` directly after a script or program: what it prints to stdout.

``sh norun`` marks a script that cannot run on any machine that runs the tests. In any other script,
``make serve`` starts the page's own server, and ``make test`` is left out, since it runs this.
"""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

import httpx2

from tests.servers import ROOT, environment, free_port

URL = "http://localhost:8000"
READER = "/home/me"
START_SECONDS = 60
# A command that hangs is ended then; none takes a tenth of it, even on a busy machine.
COMMAND_SECONDS = 600

_FENCE = re.compile(r"^```([^\n]*)\n(.*?)^```$\n?", re.MULTILINE | re.DOTALL)
_COMMAND = re.compile(r"^\$ ((?:.*\\\n)*.*)\n((?:(?!\$ ).*\n)*)", re.MULTILINE)
_VERSION = re.compile(r'(?:(?<=[a-z]:)|(?<="version":"))[a-z2-7]{16}\b')
_SERVE = re.compile(r"^make serve\b.*\n", re.MULTILINE)
_TEST = re.compile(r"^make test\b.*\n", re.MULTILINE)

# What differs between two runs, or two machines.
VARYING = {
    # The server writes its counts every four seconds, so a quick reader sees fewer requests.
    r"(?m)^([a-z]+) +\d+(?= +\d+ +\d+ +\d+ +\d+ +\d+ k?B)": r"\1 <requests>",
    r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d)?(\.\d+)?Z?": "<time>",
    r"\b\d\.\d+e-\d\d": "<difference>",
    r"\b0\.\d{3,}": "<fraction>",
    r"\d+(\.\d+)? ?%": "<percentage>",
    r"\d+(\.\d+)? times faster": "<speed>",
    r"\b\d+(\.\d+)?x at\b": "<speed> at",
    r"\b\d+(\.\d+)? [kKM]i?B\b": "<size>",
    r"\b[0-9a-f]{12}\b": "<digest>",
}


class Fence(NamedTuple):
    """A block of code: ``start`` and ``end`` are those of its text within the page's."""

    info: str
    text: str
    start: int
    end: int
    next: int


class Example(NamedTuple):
    """Something to run. ``shown`` is the output on the page, from ``start`` to ``end`` there."""

    language: str
    source: str
    shown: str | None = None
    start: int = 0
    end: int = 0


class Result(NamedTuple):
    """What became of an example; ``printed`` is as a reader would see it."""

    example: Example
    printed: str
    status: int

    @property
    def as_shown(self) -> bool:
        if self.example.language != "console" and self.status != 0:
            return False
        shown = self.example.shown
        return shown is None or comparable(shown) == comparable(self.printed)


def comparable(text: str) -> str:
    """Without what differs from run to run, and without the layout that follows from it."""
    for pattern, name in VARYING.items():
        text = re.sub(pattern, name, text)
    return " ".join(re.sub(r"[━─-]{2,}", "--", text).split())


def fences(text: str) -> list[Fence]:
    return [
        Fence(found[1].strip(), found[2], found.start(2), found.end(2), found.end())
        for found in _FENCE.finditer(text)
    ]


def examples(text: str) -> list[Example]:
    """What is to be run of a page, in order."""
    found: list[Example] = []
    before: Fence | None = None
    for fence in fences(text):
        if fence.info == "console":
            for command in _COMMAND.finditer(fence.text):
                start, end = (fence.start + offset for offset in command.span(2))
                found.append(Example("console", command[1], command[2], start, end))
        elif fence.info in {"sh", "python"}:
            found.append(Example(fence.info, fence.text))
        elif fence.info == "text" and found and before is not None:
            follows = not text[before.next : fence.start].partition("```")[0].strip()
            if follows and before.info in {"sh", "python"}:
                found[-1] = found[-1]._replace(shown=fence.text, start=fence.start, end=fence.end)
        before = fence
    return found


def rewritten(text: str, results: list[Result]) -> str:
    """The page with what was printed in place of what it shows, where the two differ."""
    for result in reversed(results):
        shown, start, end = result.example[2:]
        if shown is not None and comparable(shown) != comparable(result.printed):
            lines = [line.rstrip() for line in result.printed.strip("\n").splitlines()]
            text = text[:start] + "".join(f"{line}\n" for line in lines) + text[end:]
    return text


@dataclass
class Reader:
    """Somebody who works through one page: in a checkout, with a model store and records.

    ``url`` is a server that others ask too, until the page starts one. Versions are named anew by
    each run: ``_versions`` are the real ones by those that the page shows.
    """

    folder: Path
    url: str
    _versions: dict[str, str] = field(default_factory=dict)
    _server: subprocess.Popen[bytes] | None = None

    def prepare(self, page: str, store: Path, shapes: Path) -> None:
        """A checkout, images to train on, and the versions that the page does not train."""
        self._checkout.mkdir()
        for path in ROOT.iterdir():
            if not path.name.startswith(".") or path.name in {".venv", ".env.example"}:
                (self._checkout / path.name).symlink_to(path)
        (self._checkout / "shapes").symlink_to(shapes)
        for name in ("clf", "shapes"):
            if f"--name {name}" not in page:
                shutil.copytree(store / "models" / name, self._store / "models" / name)
        # What the page's make would find older than the locks that git has just written.
        make = self.folder / "bin" / "make"
        make.parent.mkdir()
        old = " ".join(f"-o requirements/{path.name}" for path in ROOT.glob("requirements/*.txt"))
        make.write_text(f'#!/bin/sh\nexec {shutil.which("make")} {old} "$@"\n')
        make.chmod(0o755)

    def run(self, example: Example) -> Result:
        source = example.source
        if example.language == "sh":
            if _SERVE.search(source):
                self._serve()
            source = _TEST.sub("", _SERVE.sub("", source))
        if self._server is not None and URL in source:
            self._wait("/models", self._serves_what_is_stored)
        for shown, real in self._versions.items():
            source = source.replace(shown, real)
        done = subprocess.run(
            [sys.executable, "-c", source.replace(URL, self.url)]
            if example.language == "python"
            else [
                "sh",
                "-c" if example.language == "console" else "-ec",
                source.replace(URL, self.url),
            ],
            cwd=self._checkout,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if example.language == "console" else subprocess.PIPE,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )
        if example.language != "console" and done.returncode != 0:
            return Result(example, done.stdout + done.stderr, done.returncode)
        return Result(example, self._seen(example.shown or "", done.stdout), done.returncode)

    def _seen(self, shown: str, printed: str) -> str:
        """The output with the names that the page has for versions, folders and the server."""
        known = set(self._versions.values())
        new = [version for version in _VERSION.findall(printed) if version not in known]
        old = [version for version in _VERSION.findall(shown) if version not in self._versions]
        if len(new) == len(old):
            self._versions |= dict(zip(old, new, strict=True))
        for before, after in self._versions.items():
            printed = printed.replace(after, before)
        return printed.replace(str(self.folder), READER).replace(self.url, URL)

    @property
    def _checkout(self) -> Path:
        return self.folder / "pupila"

    @property
    def _store(self) -> Path:
        return self.folder / "bentoml"

    @property
    def _environment(self) -> dict[str, str]:
        path = [str(self.folder / "bin"), str(Path(sys.executable).parent), os.environ["PATH"]]
        own = environment(self._store, workers=1, drain_ms=0)
        return own | {
            "PATH": os.pathsep.join(path),
            "PUPILA_HOME": str(self.folder / ".pupila"),
            # Readers share the processors, and BLAS threads of several programs that spin for each
            # other's processor took six times the CPU.
            "OPENBLAS_NUM_THREADS": "1",
            "OMP_NUM_THREADS": "1",
        }

    def _serve(self) -> None:
        port = free_port()
        with (self.folder / "server.log").open("wb") as log:
            self._server = subprocess.Popen(
                ["make", "serve"],
                cwd=self._checkout,
                env=self._environment | {"PORT": str(port)},
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.url = f"http://localhost:{port}"
        self._wait("/readyz", lambda answer: answer.status_code == 200)

    def _serves_what_is_stored(self, answer: httpx2.Response) -> bool:
        """The server looks twice a second, and no reader is as quick as that."""
        served = {
            f"{model['name']}/{version['version']}"
            for model in answer.json()["models"]
            for version in model["versions"]
        }
        models = self._store / "models"
        stored = models.glob("*/*/model.yaml")
        return served == {str(path.parent.relative_to(models)) for path in stored}

    def _wait(self, path: str, good: Callable[[httpx2.Response], bool]) -> None:
        """Until the page's server gives a good answer."""
        assert self._server is not None
        log = self.folder / "server.log"
        deadline = time.monotonic() + START_SECONDS
        while True:
            with contextlib.suppress(httpx2.TransportError):
                if good(httpx2.get(f"{self.url}{path}")):
                    return
            assert self._server.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._server is not None:
            # As Ctrl-C does.
            os.killpg(self._server.pid, signal.SIGINT)
            self._server.wait(30)
