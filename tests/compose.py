"""The stack of ``compose.yaml``, with stand-ins for the images that cannot be pulled."""

import contextlib
import json
import math
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from tests.containers import docker
from tests.servers import ROOT, free_port
from tests.waiting import PATIENCE_SECONDS, until

COMPOSE = ROOT / "compose.yaml"
EXAMPLE = ROOT / ".env.example"
STAND_INS = ROOT / "tests" / "container" / "standins" / "compose.yaml"

Program = tuple[str, ...]


def programs() -> list[Program]:
    """The Composes of this machine: v2, and 1.29."""
    found: list[Program] = []
    for program in (("docker", "compose"), ("docker-compose",)):
        with contextlib.suppress(OSError):
            done = subprocess.run([*program, "version"], capture_output=True, check=False)
            if done.returncode == 0:
                found.append(program)
    return found


def run(program: Program, env: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    files = ("--file", str(COMPOSE), "--file", str(STAND_INS), "--env-file", str(env))
    return subprocess.run(
        [*program, *files, *arguments], capture_output=True, text=True, check=False
    )


def write_env(path: Path, **values: object) -> Path:
    """The example, filled in as its reader does."""
    lines = [
        line
        for line in EXAMPLE.read_text().splitlines()
        if line.removeprefix("#").partition("=")[0] not in values
    ]
    lines += [f"{name}={value}" for name, value in values.items()]
    path.write_text("\n".join(lines) + "\n")
    return path


def write_secrets(folder: Path) -> Path:
    """Passwords with whatever may not stand in a URL, as make writes them."""
    folder.mkdir(mode=0o700)
    for name in ("owner", "server", "grafana"):
        (folder / name).write_text(f"{name} a@b:c/d%e?f#g$h'")
        (folder / name).chmod(0o444)
    return folder


@dataclass(frozen=True)
class Stack:
    program: Program
    env: Path
    url: str
    prometheus: str

    def compose(self, *arguments: str) -> str:
        done = run(self.program, self.env, *arguments)
        assert done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"
        return done.stdout

    def inspect(self, service: str) -> dict[str, Any]:
        id_ = self.compose("ps", "--quiet", service).strip()
        inspected: dict[str, Any] = json.loads(docker("inspect", "--format", "{{json .}}", id_))
        return inspected

    def health(self, service: str) -> str:
        state = self.inspect(service)["State"]
        return str(state["Health"]["Status"] if "Health" in state else state["Status"])

    def wait_for(self, service: str) -> None:
        until(lambda: self.health(service) == "healthy", f"{service} healthy")

    def sql(self, query: str) -> int:
        psql = ("psql", "--username=pupila", "--no-align", "--tuples-only", "--command", query)
        return int(self.compose("exec", "-T", "postgres", *psql).strip() or 0)

    def counted(self) -> int:
        """How many predictions the database knows of, kept or not."""
        return self.sql("SELECT sum(count) FROM traffic WHERE kind = 'status' AND key = '200'")

    def metric(self, start: str) -> float:
        """The sum of the samples of ``/metrics`` whose lines start so."""
        lines = httpx2.get(f"{self.url}/metrics", timeout=PATIENCE_SECONDS).text.splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(start))

    def ask(self, path: str, **parameters: str | float) -> Any:
        """Prometheus, whose answer must be that it understood."""
        url = f"{self.prometheus}/api/v1/{path}"
        answer = httpx2.get(url, params=parameters, timeout=PATIENCE_SECONDS).json()
        assert answer["status"] == "success", (answer, parameters)
        return answer["data"]

    def graph(self, expression: str) -> list[Mapping[str, str]]:
        """The labels of the series that a graph of the last minutes shows a number of."""
        now = time.time()
        data = self.ask("query_range", query=expression, start=now - 600, end=now, step=5)
        return [
            series["metric"]
            for series in data["result"]
            if any(math.isfinite(float(value)) for _, value in series["values"])
        ]


@contextlib.contextmanager
def stack(folder: Path, image: str, **settings: object) -> Iterator[Stack]:
    """Up and ready, Prometheus too; gone with its volumes after the block."""
    port, prometheus = free_port(), free_port()
    env = write_env(
        folder / ".env",
        COMPOSE_PROJECT_NAME=f"pupila-test-{port}",
        COMPOSE_PROFILES="metrics",
        SECRETS=write_secrets(folder / "secrets"),
        API_IMAGE=image,
        API_PORT=f"127.0.0.1:{port}",
        PROMETHEUS_PORT=prometheus,
        **settings,
    )
    program = programs()[0]
    running = Stack(program, env, f"http://127.0.0.1:{port}", f"http://127.0.0.1:{prometheus}")
    try:
        running.compose("build", "postgres", "prometheus")
        running.compose("up", "--detach")
        for service in ("postgres", "api", "prometheus"):
            running.wait_for(service)
        yield running
    except BaseException:
        sys.stderr.write(run(program, env, "logs", "--tail=50").stdout)
        raise
    finally:
        run(program, env, "down", "--volumes", "--timeout=10")
