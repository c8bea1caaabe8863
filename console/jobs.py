"""Commands that a visitor starts: in a process of their own, at the lowest priority.

What such a command needs, such as scikit-learn, is never loaded into the server. All workers see
the state of a job, which is a file.
"""

import json
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, Literal

from settings import Settings

logger = logging.getLogger("pupila.console")

Kind = Literal["look", "train", "start"]
_COMMANDS: Final[dict[Kind, tuple[str, ...]]] = {
    "look": ("monitor", "run", "--no-fail-on-alarm", "--model"),
    "train": ("pipeline", "retrain", "--model"),
    "start": ("console.trial",),
}
# Both need the library that computes; a small image may have none.
_NEEDS: Final = "sklearn"
_BEAT_SECONDS: Final = 2.0
_DEAD_SECONDS: Final = 15.0
_MOST_SECONDS: Final = 3600.0
_TAIL: Final = 4000
_ROOT: Final = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Job:
    """``code``: of the command's end, None while it runs; ``output``: its last lines."""

    kind: Kind
    model: str
    who: str
    began: float
    beat: float
    code: int | None = None
    output: str = ""

    @property
    def running(self) -> bool:
        return self.code is None and time.time() - self.beat < _DEAD_SECONDS


def possible() -> bool:
    """Whether this machine has what the commands need."""
    return find_spec(_NEEDS) is not None


def last(settings: Settings, kind: Kind, model: str) -> Job | None:
    """The job of that kind that was begun last for the model."""
    try:
        content = json.loads(_file(settings, kind, model).read_text(encoding="utf-8"))
        return Job(**content)
    except (OSError, ValueError, TypeError):
        return None


def begin(settings: Settings, kind: Kind, model: str, who: str, *arguments: str) -> Job:
    """Start one, unless one is running. ``arguments``: in place of the model's name."""
    running = last(settings, kind, model)
    if running is not None and running.running:
        return running
    now = time.time()
    job = Job(kind, model, who, now, now)
    _write(settings, job)
    command = [sys.executable, "-m", *_COMMANDS[kind], *(arguments or [model])]
    # No option can be slipped in: names of models and versions do not begin with a dash.
    process = subprocess.Popen(  # noqa: S603
        ["nice", "-n", "19", *command] if _has_nice() else command,
        cwd=_ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    logger.info("%s began %s of %s", who, kind, model)
    threading.Thread(target=_follow, args=(settings, job, process), daemon=True).start()
    return job


def _follow(settings: Settings, job: Job, process: "subprocess.Popen[bytes]") -> None:
    output = b""
    ends = time.monotonic() + _MOST_SECONDS
    while True:
        try:
            found, _ = process.communicate(timeout=_BEAT_SECONDS)
            output = found or b""
            break
        except subprocess.TimeoutExpired:
            if time.monotonic() > ends:
                process.kill()
            _write(settings, job, beat=time.time())
    text = output.decode(errors="replace")[-_TAIL:]
    _write(settings, job, beat=time.time(), code=process.returncode, output=text)


def _write(settings: Settings, job: Job, **changes: Any) -> None:
    path = _file(settings, job.kind, job.model)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    with suppress(OSError):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        part.write_text(json.dumps(asdict(job) | changes), encoding="utf-8")
        part.replace(path)


def _file(settings: Settings, kind: Kind, model: str) -> Path:
    return settings.home / "console" / f"{kind}-{model}.json"


def _has_nice() -> bool:
    return any((Path(folder) / "nice").exists() for folder in ("/usr/bin", "/bin"))


def sentence(job: Job) -> str:
    """The last line that a job printed."""
    lines: Sequence[str] = [line for line in job.output.splitlines() if line.strip()]
    return lines[-1].strip() if lines else ""
