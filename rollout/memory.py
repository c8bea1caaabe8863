"""The memory that versions take, measured in a process of its own.

In a process that has run something else, what that freed would be used again.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from models.artifact import read_artifact

ROOT: Final = Path(__file__).resolve().parents[1]

_SECONDS: Final = 60
# A server forms batches of 64 images by default.
_BATCH: Final = 64
_PAGE: Final = 4096


def memory_of(folders: Sequence[Path]) -> list[int | None]:
    """Bytes of each version, by its folder; None where that cannot be measured."""
    command = [sys.executable, "-m", __spec__.name, *(str(path.absolute()) for path in folders)]
    try:
        done = subprocess.run(  # noqa: S603 - our own module
            command, check=True, cwd=ROOT, capture_output=True, timeout=_SECONDS
        )
        found: list[int | None] = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        return [None] * len(folders)
    return found


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * _PAGE


def main(folders: Sequence[str]) -> None:
    kept = []
    found = []
    # Once for what both need, such as ONNX Runtime itself, and then what one more takes.
    for measured in (False, True):
        for folder in folders:
            artifact = read_artifact(Path(folder))
            spec = artifact.manifest.image_spec
            features = spec.features(np.zeros((_BATCH, spec.n_features), np.uint8))
            before = _resident()
            runtime = artifact.open()
            runtime.run(features)
            if measured:
                found.append(max(0, _resident() - before))
            kept.append(runtime)
    print(json.dumps(found))  # noqa: T201 - for the parent process


if __name__ == "__main__":
    main(sys.argv[1:])
