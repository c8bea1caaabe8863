"""Somebody who reads a page of the documentation and does what it says."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx2

from tests import forking
from tests.examples import Example, Result
from tests.servers import ROOT, Server, environment, free_port
from tests.test_layout import MAY_IMPORT
from tests.waiting import PATIENCE_SECONDS, until

URL = "http://localhost:8000"
READER = "/home/me"
# A command that hangs is ended then; none takes a tenth of it, even on a busy machine.
COMMAND_SECONDS = 600

_INTERPRETERS = {
    "console": ("sh", "-c"),
    "sh": ("sh", "-ec"),
    "python": (sys.executable, "-c"),
}
_SERVE = re.compile(r"^make serve\b.*\n", re.MULTILINE)
_TEST = re.compile(r"^make test\b.*\n", re.MULTILINE)
_VERSION = re.compile(r'(?:(?<=[a-z]:)|(?<="version":"))[a-z2-7]{16}\b')

# What a page uses of a checkout beside the code; a developer's own files are not in the way.
_OTHER_FILES = (
    *("tests", "scripts", "requirements", "deploy", "Makefile", "pyproject.toml"),
    *("bentofile.yaml", "compose.yaml", ".env.example", ".venv"),
)


@dataclass
class Reader:
    """Somebody who works through pages: in a checkout, with a model store and records.

    A page that asks a server has started it, or one that was read before. Versions are named anew
    by each run: ``_versions`` are the real ones by those that the pages show.
    """

    folder: Path
    url: str = URL
    _versions: dict[str, str] = field(default_factory=dict)
    _server: Server | None = None

    def prepare(self, work: Sequence[Example], store: Path, shapes: Path) -> None:
        """A checkout, images to train on, and the versions that the examples do not train."""
        self._checkout.mkdir()
        for name in (*MAY_IMPORT, *(f"{room}.py" for room in MAY_IMPORT), *_OTHER_FILES):
            if (ROOT / name).exists():
                (self._checkout / name).symlink_to(ROOT / name)
        (self._checkout / "shapes").symlink_to(shapes)
        for name in ("clf", "shapes"):
            if not any(f"--name {name}" in example.source for example in work):
                shutil.copytree(store / "models" / name, self._store / "models" / name)
        # What the pages' make would find older than the locks that git has just written.
        make = self.folder / "bin" / "make"
        make.parent.mkdir()
        old = " ".join(f"-o requirements/{path.name}" for path in ROOT.glob("requirements/*.txt"))
        make.write_text(f'#!/bin/sh\nexec {shutil.which("make")} {old} "$@"\n')
        make.chmod(0o755)
        forking.install(make.parent)

    def run(self, example: Example) -> Result:
        source = example.source
        if example.language == "sh":
            if _SERVE.search(source) and self._server is None:
                self._serve()
            source = _TEST.sub("", _SERVE.sub("", source))
        if self._server is not None and URL in source:
            self._wait("/models", self._serves_what_is_stored)
        for shown, real in self._versions.items():
            source = source.replace(shown, real)
        done = subprocess.run(
            [*_INTERPRETERS[example.language], source.replace(URL, self.url)],
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
        }

    def _serve(self) -> None:
        port = free_port()
        log = self.folder / "server.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                ["make", "serve"],
                cwd=self._checkout,
                env=self._environment | {"PORT": str(port)},
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.url = f"http://localhost:{port}"
        self._server = Server(self.url, self._store, process, log)
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
        server = self._server
        assert server is not None

        def answered() -> bool:
            assert server.process.poll() is None, server.log.read_text()
            with contextlib.suppress(httpx2.TransportError):
                return good(server.get(path))
            return False

        until(answered, server.log.read_text)

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
            os.killpg(self._server.process.pid, signal.SIGINT)
            self._server.process.wait(PATIENCE_SECONDS)
