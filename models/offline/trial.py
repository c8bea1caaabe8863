"""Tries a version in a process of its own, with limits.

What is wrong with files from elsewhere may end the process that loads them, fill its memory, or
never end. A version that was made here is known, and not tried like this.
"""

import json
import os
import resource
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from errors import ArtifactError, PupilaError
from models.artifact import Artifact, read_artifact

ROOT: Final = Path(__file__).resolve().parents[2]

# A server forms batches of 64 images by default.
_BATCH: Final = 64
_FAILED: Final = 3


@dataclass(frozen=True)
class Limits:
    """Of the process that tries a version. ``memory``: bytes of its address space."""

    memory: int = 8 * 2**30
    cpu_seconds: int = 120
    seconds: int = 300


def try_apart(artifact: Artifact, limits: Limits | None = None) -> None:
    """Check a version's files and graphs, load it, and have it classify a batch.

    Raises ArtifactError with the reason, or the limit that was exceeded.
    """
    limits = limits or Limits()
    # Here, where the keys are.
    artifact.verify()
    command = [
        sys.executable,
        "-m",
        __spec__.name,
        str(artifact.path.absolute()),
        str(limits.memory),
        str(limits.cpu_seconds),
    ]
    name = artifact.manifest.name
    try:
        done = subprocess.run(  # noqa: S603 - our own module
            command,
            check=False,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=limits.seconds,
        )
    except subprocess.TimeoutExpired:
        raise ArtifactError(
            f"The version of {name} took more than {limits.seconds} s to be checked, so it is not "
            "used."
        ) from None
    if done.returncode == 0:
        return
    if done.returncode == _FAILED:
        raise ArtifactError(str(json.loads(done.stdout)))
    raise ArtifactError(
        f"The version of {name} ended the process that checked it: it {_cause(done, limits)}, so "
        "it is not used."
    )


# The last two are of libraries that could not be loaded.
_NO_MEMORY: Final = (
    b"MemoryError",
    b"bad_alloc",
    b"failed to map segment",
    b"annot allocate memory",
)


def _cause(done: subprocess.CompletedProcess[bytes], limits: Limits) -> str:
    if done.returncode in (-9, -24):  # SIGKILL at the hard limit, SIGXCPU at the soft one
        return f"took more than {limits.cpu_seconds} s of CPU"
    if any(sign in done.stderr for sign in _NO_MEMORY):
        return f"took more than {limits.memory // 2**20:,} MiB of memory"
    return f"crashed with code {done.returncode}"


def main() -> None:
    """The process: the version's folder, and the limits of memory and CPU."""
    folder, memory, seconds = sys.argv[1:]
    os.nice(5)
    resource.setrlimit(resource.RLIMIT_CPU, (int(seconds), int(seconds) + 5))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # macOS has no limit of this kind.
    if sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_AS, (int(memory), int(memory)))
    try:
        _try(Path(folder), int(memory))
    except (PupilaError, MemoryError) as error:
        reason = str(error) or f"It took more than {int(memory) // 2**20:,} MiB of memory."
        sys.stdout.write(json.dumps(reason))
        sys.exit(_FAILED)


def _try(folder: Path, memory: int) -> None:
    from models.offline.validity import check_artifact

    artifact = read_artifact(folder)
    check_artifact(artifact)
    runtime = artifact.open()
    images = np.zeros((_BATCH, artifact.manifest.image_spec.n_features), np.float32)
    try:
        runtime.run(images)
    except Exception as error:
        raise ArtifactError(
            f"{folder.name} cannot classify {_BATCH} images within {memory // 2**20:,} MiB."
        ) from error


if __name__ == "__main__":
    main()
