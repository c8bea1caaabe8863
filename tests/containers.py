"""Runs the image as it is meant to be run: nothing writable but /tmp and /data, no capability."""

import contextlib
import json
import platform
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx2

from tests.servers import DEADLINE_MS
from tests.waiting import PATIENCE_SECONDS, until

IMAGE = "pupila:test"
HARDENED = ("--read-only", "--tmpfs=/tmp", "--cap-drop=ALL", "--security-opt=no-new-privileges")


def docker(*arguments: str) -> str:
    """What a command of docker prints; it must succeed."""
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"docker {arguments}: {done.stdout}{done.stderr}"
    return done.stdout.strip()


def command(*arguments: str, options: tuple[str, ...] = ()) -> str:
    """What the image prints when it runs a command in place of the server."""
    return docker("run", "--rm", *HARDENED, *options, IMAGE, *arguments)


@dataclass
class Container:
    """A container that runs, or did; ``ready_seconds`` is from its start to the first 200."""

    id: str
    port: int
    ready_seconds: float = field(init=False)

    @property
    def url(self) -> str:
        if platform.system() == "Linux":
            # Not by a published port: docker's proxy there takes connections for who is gone.
            address = docker("inspect", "-f", "{{.NetworkSettings.IPAddress}}", self.id)
            return f"http://{address}:{self.port}"
        return f"http://{docker('port', self.id, f'{self.port}/tcp')}"

    def state(self) -> dict[str, Any]:
        state: dict[str, Any] = json.loads(docker("inspect", "-f", "{{json .State}}", self.id))
        return state

    def run(self, *arguments: str) -> str:
        return docker("exec", self.id, *arguments)

    def stop(self) -> None:
        """By SIGTERM, however long it takes over what follows."""
        docker("stop", f"--time={PATIENCE_SECONDS:.0f}", self.id)

    def log(self) -> str:
        done = subprocess.run(["docker", "logs", self.id], capture_output=True, check=True)
        return (done.stdout + done.stderr).decode()

    def workers(self) -> list[str]:
        """The process ids of the workers, as the container sees them."""
        return self.run("cat", "/proc/1/task/1/children").split()

    def memory_mib(self) -> float:
        """What all processes hold, without the cache of files."""
        used = docker("stats", "--no-stream", "--format", "{{.MemUsage}}", self.id)
        number = used.partition(" / ")[0]
        assert number.endswith("MiB"), used
        return float(number.removesuffix("MiB"))

    def wait(self) -> None:
        url = self.url

        def is_ready() -> bool:
            with contextlib.suppress(httpx2.TransportError):
                if httpx2.get(f"{url}/readyz", timeout=PATIENCE_SECONDS).status_code == 200:
                    return True
            assert self.state()["Running"], self.log()
            return False

        until(is_ready, self.log)
        self.ready_seconds = time.monotonic() - self._started

    def __post_init__(self) -> None:
        self._started = time.monotonic()


@contextlib.contextmanager
def running(
    *options: str,
    port: int = 8000,
    environment: Mapping[str, str] | None = None,
    quiet: bool = True,
) -> Iterator[Container]:
    """A container that is ready; after the block, it has ended by SIGTERM, unless that has ended
    it, with 0 and, if ``quiet``, no traceback."""
    chosen = {"PUPILA_DEADLINE_MS": str(DEADLINE_MS)} | dict(environment or {})
    variables = [f"--env={name}={value}" for name, value in chosen.items()]
    published = f"--publish=127.0.0.1::{port}"
    container = Container(
        docker("run", "--detach", *HARDENED, published, *variables, *options, IMAGE), port
    )
    try:
        container.wait()
        yield container
        if container.state()["Running"]:
            container.stop()
        assert container.state()["ExitCode"] == 0, container.log()
        assert not quiet or "Traceback" not in container.log(), container.log()
    finally:
        docker("rm", "--force", "--volumes", container.id)
