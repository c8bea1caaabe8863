"""What a client is to do, and what it found: both go between processes as JSON."""

import json
import subprocess
import sys
from dataclasses import asdict, dataclass

from bench.process import ROOT

LONGEST_WAIT_SECONDS = 20.0


@dataclass(frozen=True)
class Plan:
    """``rate`` in requests a second; without it, each connection asks again once it is answered.

    The first ``warm`` seconds come on top and are not measured; ``root`` and ``mark`` are a
    ``Tree``'s, whose processor time is taken. ``secret``: of the key that each request carries.
    ``yields``: whether all others go first where a processor is short, since this client stands for
    one on a machine of its own.
    """

    port: int
    dialect: str
    images: str
    connections: int
    seconds: float
    warm: float = 0.0
    rate: float | None = None
    root: int = 0
    mark: str = ""
    secret: str = ""
    yields: bool = False


@dataclass(frozen=True)
class Result:
    """Latencies are those of right answers, from when the request was due; ``refused`` answers are
    503 with Retry-After, ``unsent`` requests found no free connection, ``lost`` ones no answer.
    ``stopped_at`` is when the last was sent, in the seconds of ``time.monotonic``."""

    seconds: float
    right: int
    wrong: int
    p50_ms: float
    p99_ms: float
    server_cpu_seconds: float
    client_cpu_seconds: float = 0.0
    refused: int = 0
    lost: int = 0
    unsent: int = 0
    first_wrong: str = ""
    stopped_at: float = 0.0


def run(plan: Plan, *, wait: float | None = None) -> Result:
    """Send the load from another process. ``wait`` in seconds, before it is given up."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.load"],
        cwd=ROOT,
        input=json.dumps(asdict(plan)),
        stdout=subprocess.PIPE,
        text=True,
        timeout=wait or plan.seconds + LONGEST_WAIT_SECONDS + 30,
        check=True,
    )
    return Result(**json.loads(done.stdout))
