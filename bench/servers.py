"""The servers that are compared, and how each is started: as its own documentation advises.

One worker process each, and otherwise what it does by default.
"""

import json
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import click
import orjson

from bench.dialects import DIALECTS
from bench.peers.classifier import BATCH_SIZE, BATCH_WAIT_SECONDS
from bench.process import ROOT, free_port

VENVS = ROOT / ".bench"
REQUIREMENTS = ROOT / "bench" / "peers" / "requirements"
HERE = Path(sys.executable).parent


class InstallError(click.ClickException):
    """A peer's libraries cannot be installed."""


@dataclass(frozen=True)
class Launch:
    """What starts a server: ``settings`` are environment variables."""

    command: list[str]
    settings: Mapping[str, str]


@dataclass(frozen=True)
class Server:
    """``venv`` names its virtual environment and requirements; without one, it runs in ours.

    ``launch`` makes the command from the folder of binaries, the port, and the model's folder.
    """

    name: str
    title: str
    dialect: str
    launch: Callable[[Path, int, Path], Launch]
    venv: str | None = None

    def with_settings(self, settings: Mapping[str, str]) -> "Server":
        """The same server, with these besides its own."""

        def launch(binaries: Path, port: int, model: Path) -> Launch:
            made = self.launch(binaries, port, model)
            return Launch(made.command, {**made.settings, **settings})

        return replace(self, launch=launch)

    def install(self) -> Path:
        """The folder of its binaries, made if it is missing. Raises InstallError."""
        if self.venv is None:
            return HERE
        folder = VENVS / self.venv
        done = folder / ".installed"
        wanted = REQUIREMENTS / f"{self.venv}.txt"
        if not done.exists() or done.read_text() != wanted.read_text():
            python = str(folder / "bin" / "python")
            pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            for command in (
                [sys.executable, "-m", "venv", "--clear", str(folder)],
                [*pip, "--compile", "--only-binary", ":all:", "--requirement", str(wanted)],
            ):
                made = subprocess.run(command, capture_output=True, text=True, check=False)
                if made.returncode:
                    raise InstallError(made.stderr.strip().splitlines()[-1][:200])
            done.write_text(wanted.read_text())
        return folder / "bin"

    def start(self, binaries: Path, model: Path) -> tuple[int, Launch]:
        """A free port, and the command and environment for it."""
        port = free_port()
        launch = self.launch(binaries, port, model)
        common = {
            "BENCH_MODEL": str(model),
            "BENTOML_DO_NOT_TRACK": "True",
            "BENTOML_HOME": str(model / "home"),
            "PUPILA_HOME": str(model / "pupila"),
            "PATH": f"{binaries}:/usr/local/bin:/usr/bin:/bin",
            "PYTHONPATH": str(ROOT),
        }
        return port, Launch(launch.command, common | dict(launch.settings))


def asked(server: Server, port: int, model: Path) -> Callable[[], bool]:
    """Whether the server at the port knows the first image's label."""
    dialect = DIALECTS[server.dialect]
    image, label = orjson.loads((model / "images.json").read_bytes())[0]
    body = dialect.body("0", image)
    content = body if isinstance(body, bytes) else orjson.dumps(body)
    kind = "image/jpeg" if content is body else "application/json"
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{dialect.path}", content, {"Content-Type": kind}
    )

    def knows() -> bool:
        try:
            with urllib.request.urlopen(request, timeout=10) as response:
                answer = orjson.loads(response.read())
            return dialect.label is None or dialect.label(answer) == label
        except (OSError, ValueError, LookupError, TypeError):
            return False

    return knows


def _uvicorn(app: str, *options: str) -> Callable[[Path, int, Path], Launch]:
    return lambda binaries, port, _model: Launch(
        [str(binaries / "uvicorn"), f"bench.peers.{app}:app", "--port", str(port), *options], {}
    )


def _bentoml(target: str, **settings: str) -> Callable[[Path, int, Path], Launch]:
    return lambda binaries, port, _model: Launch(
        [str(binaries / "bentoml"), "serve", target, "--host", "127.0.0.1", "--port", str(port)],
        settings,
    )


def _module(name: str, **settings: str) -> Callable[[Path, int, Path], Launch]:
    return lambda binaries, port, _model: Launch(
        [str(binaries / "python"), "-m", f"bench.peers.{name}"], {"PORT": str(port), **settings}
    )


def _mlserver(binaries: Path, port: int, model: Path) -> Launch:
    folder = model / "mlserver"
    folder.mkdir(exist_ok=True)
    runtime = {
        "name": "clf",
        "implementation": "bench.peers.mlserver_runtime.Runtime",
        "max_batch_size": BATCH_SIZE,
        "max_batch_time": BATCH_WAIT_SECONDS,
    }
    (folder / "model-settings.json").write_text(json.dumps(runtime))
    ports = {"http_port": port, "grpc_port": free_port(), "metrics_port": free_port()}
    folders = {"metrics_dir": str(model / "metrics"), "environments_dir": str(model / "envs")}
    settings = {"host": "127.0.0.1", **ports, **folders}
    (folder / "settings.json").write_text(json.dumps(settings))
    return Launch([str(binaries / "mlserver"), "start", str(folder)], {})


def _mlflow(binaries: Path, port: int, model: Path) -> Launch:
    return Launch(
        [str(binaries / "python"), "-m", "bench.peers.mlflow_pyfunc", str(model / "mlflow")],
        {"PORT": str(port), "MLFLOW_DISABLE_TELEMETRY": "true"},
    )


SERVERS = {
    server.name: server
    for server in (
        # By default it takes a worker for each CPU; the others take one.
        Server("pupila", "Pupila", "fields", _bentoml(".", PUPILA_WORKERS="1")),
        Server("fastapi_memory", "FastAPI", "fields", _uvicorn("fastapi_memory"), "fastapi"),
        Server(
            "fastapi_quiet",
            "FastAPI, no access log",
            "fields",
            _uvicorn("fastapi_memory", "--no-access-log"),
            "fastapi",
        ),
        Server(
            "fastapi_per_request",
            "FastAPI, pickle loaded for each request",
            "fields",
            _uvicorn("fastapi_per_request"),
            "fastapi",
        ),
        Server(
            "bentoml_documented",
            "BentoML, two services",
            "fields",
            _bentoml("bench.peers.bentoml_documented:Gateway"),
        ),
        Server(
            "bentoml_single",
            "BentoML, one service",
            "list",
            _bentoml("bench.peers.bentoml_single:Model"),
        ),
        Server("mlserver", "MLServer", "v2", _mlserver, "mlserver"),
        Server("litserve", "LitServe", "fields", _module("litserve_app"), "litserve"),
        Server(
            "rayserve",
            "Ray Serve",
            "fields",
            _module("rayserve_app", RAY_USAGE_STATS_ENABLED="0"),
            "rayserve",
        ),
        Server("mlflow", "MLflow", "mlflow", _mlflow, "mlflow"),
        Server(
            "floor",
            "floor: reads nothing, answers {}",
            "floor",
            _uvicorn("floor", "--no-access-log"),
        ),
    )
}
CEILING = "ceiling"
