"""What a version costs a server: time for an image, size and memory."""

import json
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

import numpy as np

from models.artifact import ESTIMATOR, GRAPH, read_artifact
from models.runtime import Runtime
from models.version import Version
from rollout.verdict import Cost

ROOT = Path(__file__).resolve().parents[1]

_RUNS = 200
_SECONDS = 60


def costs(versions: tuple[Version, Version], runtimes: tuple[Runtime, Runtime]) -> list[Cost]:
    """Of both, measured in turns, so that a busy machine slows neither more than the other."""
    times: list[list[float]] = [[], []]
    inputs = []
    for version in versions:
        spec = version.manifest.image_spec
        inputs.append(np.random.default_rng(0).integers(0, 256, (1, spec.n_features), np.uint8))
    for _ in range(_RUNS):
        for index, (version, runtime) in enumerate(zip(versions, runtimes, strict=True)):
            began = time.perf_counter()
            runtime.run(version.manifest.image_spec.features(inputs[index]))
            times[index].append(time.perf_counter() - began)
    return [
        Cost(latency_ms=1000 * median(took), size=_size(version), memory=_memory(version))
        for version, took in zip(versions, times, strict=True)
    ]


def _size(version: Version) -> int:
    name = GRAPH if version.manifest.backend == "onnx" else ESTIMATOR
    return (version.path / name).stat().st_size


def _memory(version: Version) -> int | None:
    """Of a process of its own: in this one, what the other version freed would be used again."""
    command = [sys.executable, "-m", __spec__.name, str(version.path.absolute())]
    try:
        done = subprocess.run(  # noqa: S603 - our own module
            command, check=True, cwd=ROOT, capture_output=True, timeout=_SECONDS
        )
        return int(json.loads(done.stdout))
    except (subprocess.SubprocessError, ValueError):
        return None


def _resident() -> int:
    """Bytes; 0 on a system that does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        return 0
    return pages * 4096


def _measure(path: Path) -> int:
    artifact = read_artifact(path)
    spec = artifact.manifest.image_spec
    pixels = np.zeros((64, spec.n_features), np.uint8)
    # ONNX Runtime itself is loaded with the first graph: a second one costs what is measured.
    artifact.open().run(spec.features(pixels[:1]))
    before = _resident()
    kept = artifact.open()
    kept.run(spec.features(pixels))
    return max(0, _resident() - before)


if __name__ == "__main__":
    print(json.dumps(_measure(Path(sys.argv[1]))))  # noqa: T201 - for the parent process
