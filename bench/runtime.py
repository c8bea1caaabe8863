"""scikit-learn against its ONNX graph, for each recipe on the digits: parity and time per call.

    python bench/runtime.py [--json] [--seed 0] [--seconds 0.5] [--threads 1]

Times are medians in microseconds of calls that take turns in one run, each with other images, since
the processor remembers the way of an image through trees. What counts is the ratio. Both have one
thread, as a server that scales by processes gives them; --threads gives scikit-learn more.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from threadpoolctl import threadpool_limits

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from images.spec import ImageSpec
from models.offline import parity
from models.offline.conversion import Graph, convert
from models.runtime import OnnxRuntime
from train.data_size import DataSize
from train.recipes import RECIPES, Recipe

HOLDOUT = 0.2


@dataclass(frozen=True)
class Timing:
    """Medians of one call with ``batch`` images, in microseconds."""

    batch: int
    sklearn_us: float
    onnx_us: float
    ratio: float


@dataclass(frozen=True)
class Row:
    """What was found of one recipe."""

    recipe: str
    accuracy: float
    images: int
    disagreements: int
    max_difference: float
    graph_kib: float
    timings: tuple[Timing, ...]


def digits() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The 1,797 digits as uint8 pixels [N, 64], and their labels."""
    values, labels = load_digits(return_X_y=True)
    return np.rint(values / 16 * 255).astype(np.uint8), labels


def measure(recipe: Recipe, seed: int, seconds: float) -> Row:
    """Train, convert, check and time one recipe."""
    spec = ImageSpec.parse("digits")
    pixels, labels = digits()
    train, held, train_labels, held_labels = train_test_split(
        pixels, labels, test_size=HOLDOUT, stratify=labels, random_state=seed
    )
    estimator = recipe.build(seed, DataSize.of(train_labels))
    estimator.fit(spec.features(train), train_labels)
    graph = convert(estimator, spec.n_features)
    checked = spec.features(parity.variants(held, spec, seed))
    found = parity.check(estimator, graph, checked)
    held_features = spec.features(held)
    return Row(
        recipe=recipe.name,
        accuracy=float(estimator.score(held_features, held_labels)),
        images=found.images,
        disagreements=found.disagreements,
        max_difference=found.max_difference,
        graph_kib=len(graph.model) / 1024,
        timings=tuple(
            timing(estimator, graph, held_features, batch, seconds) for batch in parity.BATCHES
        ),
    )


def timing(
    estimator: Any, graph: Graph, features: NDArray[np.float32], batch: int, seconds: float
) -> Timing:
    """Median times of predict_proba and of the graph, taking turns for ``seconds``."""
    runtime = OnnxRuntime(graph.model)
    slow: list[float] = []
    fast: list[float] = []
    until = time.perf_counter() + seconds
    while time.perf_counter() < until or len(slow) < 9:
        start = (len(slow) * 37) % (len(features) - batch)
        images = features[start : start + batch]
        slow.append(_microseconds(estimator.predict_proba, images))
        # Once unmeasured: scikit-learn has just emptied the processor's caches.
        runtime.run(features[start + 1 : start + 1 + batch])
        fast.append(_microseconds(runtime.run, images))
    slow_us, fast_us = statistics.median(slow), statistics.median(fast)
    return Timing(batch, slow_us, fast_us, slow_us / fast_us)


def _microseconds(
    call: Callable[[NDArray[np.float32]], object], images: NDArray[np.float32]
) -> float:
    start = time.perf_counter()
    call(images)
    return (time.perf_counter() - start) * 1e6


def table(rows: list[Row]) -> str:
    """The rows for a person: a time is scikit-learn → ONNX in microseconds, then the ratio."""
    sizes = [timing.batch for timing in rows[0].timings]
    head = f"{'recipe':<11}{'accuracy':>9}{'images':>8}{'differ':>7}{'max diff':>10}{'KiB':>7}"
    lines = [head + "".join(f"{f'batch {size}, µs':>29}" for size in sizes)]
    for row in rows:
        line = (
            f"{row.recipe:<11}{row.accuracy:>9.4f}{row.images:>8}{row.disagreements:>7}"
            f"{row.max_difference:>10.1e}{row.graph_kib:>7.0f}"
        )
        for timed in row.timings:
            times = f"{timed.sklearn_us:,.0f} → {timed.onnx_us:,.1f}"
            line += f"{times:>20}{timed.ratio:>8.1f}x"
        lines.append(line)
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--seed", type=int, default=0, help="of the split and the recipes")
    parser.add_argument("--seconds", type=float, default=0.5, help="per recipe and batch size")
    parser.add_argument("--threads", type=int, default=1, help="of scikit-learn")
    options = parser.parse_args()
    with threadpool_limits(options.threads):
        rows = [measure(recipe, options.seed, options.seconds) for recipe in RECIPES.values()]
    print(json.dumps([asdict(row) for row in rows], indent=2) if options.json else table(rows))


if __name__ == "__main__":
    main()
