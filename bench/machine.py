"""What a measurement was made on and with."""

import os
import platform
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib.metadata import distributions, version
from pathlib import Path

LIBRARIES = (
    "bentoml",
    "httptools",
    "numpy",
    "onnxruntime",
    "orjson",
    "pillow",
    "pybase64",
    "pydantic",
    "scikit-learn",
    "simplejpeg",
    "starlette",
    "uvicorn",
    "uvloop",
)


def machine() -> str:
    """Processor, cores, memory and system in one line."""
    model = re.search(r"^model name\s*: (.+)$", _read("/proc/cpuinfo"), re.MULTILINE)
    memory = re.search(r"^MemTotal:\s+(\d+) kB", _read("/proc/meminfo"), re.MULTILINE)
    return (
        f"{model[1] if model else platform.machine()}, {os.cpu_count()} cores, "
        f"{int(memory[1]) / 2**20 if memory else 0:.0f} GiB, {platform.system()} "
        f"{platform.release()}, Python {platform.python_version()}"
    )


def libraries() -> str:
    """Those of our own environment, in which Pupila, BentoML and floor run."""
    return ", ".join(f"{name} {version(name)}" for name in LIBRARIES)


def installed(venv: Path) -> str:
    """Everything that a virtual environment holds."""
    [packages] = venv.glob("lib/python*/site-packages")
    found = {one.name.lower(): one.version for one in distributions(path=[str(packages)])}
    return ", ".join(f"{name} {number}" for name, number in sorted(found.items()))


def heading(title: str, command: Iterable[str]) -> str:
    """The first lines of a report."""
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    return (
        f"# {title}\n\n{now}, by `{' '.join(command)}`\n\nMachine: {machine()}; load before: "
        f"{os.getloadavg()[0]:.1f}.\n\nLibraries: {libraries()}.\n"
    )


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError:
        return ""
