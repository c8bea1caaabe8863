"""What a version costs a server: time for an image, size and memory."""

import time
from statistics import median
from typing import Final

import numpy as np

from models.artifact import ESTIMATOR, GRAPH
from models.runtime import Composed, Runtime
from models.version import Version
from rollout.memory import memory_of
from rollout.verdict import Cost

_RUNS: Final = 200
_RUNS_OF_PHOTOS: Final = 20


def costs(versions: tuple[Version, Version], runtimes: tuple[Runtime, Runtime]) -> list[Cost]:
    """Of both, measured in turns, so that a busy machine slows neither more than the other."""
    times: list[list[float]] = [[], []]
    inputs = []
    for version in versions:
        features = version.manifest.image_spec.n_features
        inputs.append(np.random.default_rng(0).integers(0, 256, (1, features), np.uint8))
    # An extractor takes 20 ms.
    photos = any(isinstance(runtime, Composed) for runtime in runtimes)
    for _ in range(_RUNS_OF_PHOTOS if photos else _RUNS):
        for index, (version, runtime) in enumerate(zip(versions, runtimes, strict=True)):
            began = time.perf_counter()
            runtime.run(version.manifest.image_spec.features(inputs[index]))
            times[index].append(time.perf_counter() - began)
    memory = memory_of([version.path for version in versions])
    return [
        Cost(latency_ms=1000 * median(took), size=_size(version), memory=taken)
        for version, took, taken in zip(versions, times, memory, strict=True)
    ]


def _size(version: Version) -> int:
    name = GRAPH if version.manifest.backend == "onnx" else ESTIMATOR
    return (version.path / name).stat().st_size
