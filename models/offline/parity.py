"""Whether a graph answers as its estimator does, and faster."""

import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sklearn.utils.multiclass import _ovr_decision_function

from errors import ParityError
from images.spec import ImageSpec
from models.manifest import Parity, Speed
from models.offline.conversion import Graph, operators
from models.offline.graphs.affine import Affine
from models.offline.graphs.unwrapped import unwrap
from models.runtime import OnnxRuntime

TOLERANCE = 1e-4
LABEL_MARGIN = 1e-4
BATCHES = (1, 32, 128)

_NOISE = 24  # standard deviation, in 8-bit steps
_ANGLES = (-12.0, 12.0, 90.0, 180.0, 270.0)
_CHUNK = 256  # images at a time, so that large ones do not fill the memory
_SINGLES = 256  # images also asked one by one
_SPEED_SECONDS = 0.3  # for each batch size
_ATTEMPTS = 3

Floats = NDArray[np.float64]


def variants(pixels: NDArray[np.uint8], spec: ImageSpec, seed: int) -> NDArray[np.uint8]:
    """The images, the same with noise, and rotated by small and right angles.

    ``pixels``: uint8 [N, n_features]; the answer is uint8 [7 N, n_features], the images first.
    Held-out images alone stay where the training data is; production will not.
    """
    noise = np.random.default_rng(seed).normal(0, _NOISE, pixels.shape)
    noisy = np.clip(np.rint(pixels + noise), 0, 255).astype(np.uint8)
    shape = (spec.height, spec.width) if spec.channels == 1 else (spec.height, spec.width, 3)
    turned = [
        np.stack(
            [
                np.asarray(
                    Image.fromarray(image.reshape(shape)).rotate(angle, Image.Resampling.BILINEAR)
                ).reshape(-1)
                for image in pixels
            ]
        )
        for angle in _ANGLES
    ]
    return np.concatenate([pixels, noisy, *turned])


def check(estimator: Any, graph: Graph, features: NDArray[np.float32]) -> Parity:
    """Compare the graph with its estimator on ``features`` (float32 [N, F]).

    Probabilities must be within 1e-4; scores within 1e-4 of the largest score in these images, if
    that is above 1. Labels must be equal wherever scikit-learn's top two are further apart than
    that. A batch of one must answer as a batch of many. Raises ParityError otherwise.
    """
    runtime = OnnxRuntime(graph.model)
    places = {label: place for place, label in enumerate(np.asarray(estimator.classes_).tolist())}
    wanted, found, labels, indices = [], [], [], []
    for start in range(0, len(features), _CHUNK):
        chunk = features[start : start + _CHUNK]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            wanted.append(reference(estimator, chunk))
            labels.append([places.get(label, -1) for label in estimator.predict(chunk).tolist()])
        outcome = runtime.run(chunk)
        found.append(outcome.scores.astype(np.float64))
        indices.append(outcome.indices)
    expected, actual = np.concatenate(wanted), np.concatenate(found)
    name = type(estimator).__name__
    if expected.shape != actual.shape:
        raise ParityError(
            f"{name} gives {expected.shape[1]} {graph.output} for an image "
            f"and its graph {actual.shape[1]}."
        )
    scale = 1.0 if graph.output == "probabilities" else max(1.0, float(np.abs(expected).max()))
    differences = _distance(expected, actual) / scale
    places_expected, places_actual = np.concatenate(labels), np.concatenate(indices)
    best = np.sort(expected, axis=1)
    close = best[:, -1] - best[:, -2] <= LABEL_MARGIN * scale
    wrong = (places_expected != places_actual) & ~close
    singles, label_gap = _singles(runtime, features, actual, places_actual)
    result = Parity(
        images=len(features),
        disagreements=int(wrong.sum()),
        close_calls=int(close.sum()),
        label_margin=LABEL_MARGIN,
        max_difference=float(differences.max()),
        tolerance=TOLERANCE,
        max_batch_difference=singles / scale,
        operators=operators(graph.model),
    )
    kind = {"probabilities": "probability", "scores": "score"}[graph.output]
    if result.disagreements:
        raise ParityError(
            f"The graph of {name} gives another label than scikit-learn for "
            f"{result.disagreements} of {result.images} images."
        )
    if not result.max_difference <= TOLERANCE:
        raise ParityError(
            f"The graph of {name} differs from scikit-learn by {result.max_difference:.2g} in a "
            f"{kind}, for {int((~(differences <= TOLERANCE)).sum())} of {result.images} images "
            f"above the {TOLERANCE:g} allowed."
        )
    if not result.max_batch_difference <= TOLERANCE or label_gap > LABEL_MARGIN * scale:
        raise ParityError(
            f"The graph of {name} answers an image alone and in a batch with a {kind} that differs "
            f"by {result.max_batch_difference:.2g}, above the {TOLERANCE:g} allowed."
        )
    return result


def reference(estimator: Any, features: NDArray[np.float32]) -> Floats:
    """float64 [N, C]: what the graph's first output should be, from scikit-learn itself."""
    if hasattr(estimator, "predict_proba"):
        return np.asarray(estimator.predict_proba(features), dtype=np.float64)
    scores = np.asarray(estimator.decision_function(features), dtype=np.float64)
    if scores.ndim == 1:
        return np.stack([-scores, scores], axis=1)
    peeled = unwrap(estimator, Affine.identity(features.shape[1]))
    if peeled is not None and getattr(peeled.estimator, "decision_function_shape", "") == "ovo":
        one_vs_rest = _ovr_decision_function(scores < 0, -scores, len(estimator.classes_))
        return np.asarray(one_vs_rest, dtype=np.float64)
    return scores


def speed(estimator: Any, graph: Graph, features: NDArray[np.float32]) -> Speed:
    """scikit-learn's time over the graph's for 1, 32 and 128 images of ``features``.

    The two take turns and the best of each counts, so that other work on the machine hits both.
    Raises ParityError if a size is slower than scikit-learn in each of three measurements.
    """
    for _ in range(_ATTEMPTS):
        ratios = [_ratio(estimator, graph, features, size) for size in BATCHES]
        if min(ratios) >= 1:
            return Speed(batch_1=ratios[0], batch_32=ratios[1], batch_128=ratios[2])
    slow = ", ".join(
        f"{ratio:.2f} times as fast for {size} images"
        for size, ratio in zip(BATCHES, ratios, strict=True)
        if ratio < 1
    )
    raise ParityError(
        f"The graph of {type(estimator).__name__} is slower than scikit-learn: {slow}."
    )


def _distance(expected: Floats, actual: Floats) -> Floats:
    """[N]: the largest difference of each image; infinite where either is not a number."""
    with np.errstate(invalid="ignore"):
        largest = np.abs(expected - actual).max(axis=1)
    return np.where(np.isnan(largest), np.inf, largest)


def _singles(
    runtime: OnnxRuntime,
    features: NDArray[np.float32],
    scores: Floats,
    indices: NDArray[np.int64],
) -> tuple[float, float]:
    """How far images asked one by one are from the same in a batch: in scores, and the gap
    between the top two of those whose label differs."""
    chosen = np.unique(np.linspace(0, len(features) - 1, _SINGLES).astype(int))
    alone = [runtime.run(features[place : place + 1]) for place in chosen]
    difference = _distance(scores[chosen], np.concatenate([one.scores for one in alone]))
    best = np.sort(scores[chosen], axis=1)
    gaps = best[:, -1] - best[:, -2]
    other = np.concatenate([one.indices for one in alone]) != indices[chosen]
    return float(difference.max()), float(gaps[other].max(initial=0.0))


def _ratio(estimator: Any, graph: Graph, features: NDArray[np.float32], size: int) -> float:
    runtime = OnnxRuntime(graph.model)
    rows = np.resize(np.arange(len(features)), max(len(features), 2 * size))
    pool = features[rows[: 4 * size + 64]]
    method = getattr(estimator, "predict_proba", None) or estimator.decision_function
    best_slow = best_fast = np.inf
    spent, turn = 0.0, 0
    runtime.run(pool[:size])
    while turn < 3 or spent < _SPEED_SECONDS:
        start = (turn * 7) % (len(pool) - size)
        batch = pool[start : start + size]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            slow = _seconds(method, batch)
        fast = min(_seconds(runtime.run, batch) for _ in range(3))
        best_slow, best_fast = min(best_slow, slow), min(best_fast, fast)
        spent += slow + 3 * fast
        turn += 1
    return float(best_slow / best_fast)


def _seconds(call: Callable[[NDArray[np.float32]], object], batch: NDArray[np.float32]) -> float:
    start = time.perf_counter()
    call(batch)
    return time.perf_counter() - start
