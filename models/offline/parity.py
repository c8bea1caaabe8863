"""Whether a graph predicts what its estimator predicts, and how much faster it is."""

import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from errors import ParityError
from images.spec import ImageSpec
from models.graph import Contents
from models.manifest import Parity, Speed
from models.offline.answers import Floats, predicted, scores, undecided
from models.offline.conversion import Graph
from models.runtime import OnnxRuntime

TOLERANCE = 1e-4
LABEL_MARGIN = 1e-4
BATCHES = (1, 32, 128)

_NOISE = 24  # standard deviation, in 8-bit steps
_ANGLES = (-12.0, 12.0, 90.0, 180.0, 270.0)
_CHUNK = 256  # images at a time, so that large ones do not fill the memory
_SINGLES = 256  # images that are also run one by one
_SPEED_SECONDS = 0.1  # for each batch size
_ATTEMPTS = 3


def variants(pixels: NDArray[np.uint8], spec: ImageSpec, seed: int) -> NDArray[np.uint8]:
    """The images, the same images with noise, and rotated by small and right angles.

    ``pixels``: uint8 [N, n_features]; returns uint8 [7 N, n_features], the images first. Held-out
    images alone resemble the training data; production will not.
    """
    noise = np.random.default_rng(seed).normal(0, _NOISE, pixels.shape)
    noisy = np.clip(np.rint(pixels + noise), 0, 255).astype(np.uint8)
    shape = (spec.height, spec.width) if spec.channels == 1 else (spec.height, spec.width, 3)
    rotated = [
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
    return np.concatenate([pixels, noisy, *rotated])


def embedding_variants(embeddings: NDArray[np.float32], seed: int) -> NDArray[np.float32]:
    """The same of embeddings, float32 [N, D]: themselves, with noise, weaker, stronger, and turned
    around. Returns float32 [5 N, D]."""
    spread = embeddings.std(axis=0) + 1e-6
    noise = np.random.default_rng(seed).normal(0, spread, embeddings.shape)
    return np.concatenate(
        [embeddings, embeddings + noise, embeddings * 0.5, embeddings * 1.5, embeddings[:, ::-1]]
    ).astype(np.float32)


def check(estimator: Any, graph: Graph, features: NDArray[np.float32]) -> Parity:
    """Compare the graph with its estimator on ``features`` (float32 [N, F]).

    Probabilities must agree within 1e-4; scores within 1e-4 of the largest score of these images,
    if that is above 1. Labels must be equal wherever scikit-learn's two best scores differ by more
    than that, but for images that ``undecided`` names. A batch of one must give the same as a
    batch of many. Raises ParityError otherwise.
    """
    runtime = OnnxRuntime(graph.model)
    index_of = {label: index for index, label in enumerate(np.asarray(estimator.classes_).tolist())}
    expected_parts, actual_parts, expected_labels, actual_labels = [], [], [], []
    ties = []
    for start in range(0, len(features), _CHUNK):
        chunk = features[start : start + _CHUNK]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            expected_parts.append(scores(estimator, chunk))
            labels = predicted(estimator, chunk)
            ties.append(undecided(estimator, chunk))
        expected_labels.append([index_of.get(label, -1) for label in labels])
        outcome = runtime.run(chunk)
        actual_parts.append(outcome.scores.astype(np.float64))
        actual_labels.append(outcome.indices)
    expected, actual = np.concatenate(expected_parts), np.concatenate(actual_parts)
    name = type(estimator).__name__
    if expected.shape != actual.shape:
        raise ParityError(
            f"{name} gives {expected.shape[1]} {graph.output} for an image, but its graph "
            f"{actual.shape[1]}."
        )
    scale = 1.0 if graph.output == "probabilities" else max(1.0, float(np.abs(expected).max()))
    tied = np.concatenate(ties)
    differences = np.where(tied, 0.0, _distance(expected, actual) / scale)
    indices = np.concatenate(actual_labels)
    close = (_gaps(expected) <= LABEL_MARGIN * scale) | tied
    wrong = (np.concatenate(expected_labels) != indices) & ~close
    batch_difference, batch_gap = _compare_batches(runtime, features, actual, indices)
    result = Parity(
        images=len(features),
        disagreements=int(wrong.sum()),
        close_calls=int(close.sum()),
        label_margin=LABEL_MARGIN,
        max_difference=float(differences.max()),
        tolerance=TOLERANCE,
        max_batch_difference=batch_difference / scale,
        operators=Contents.of(graph.model).operators,
    )
    score = {"probabilities": "probability", "scores": "score"}[graph.output]
    if result.disagreements:
        raise ParityError(
            f"The graph of {name} predicts another label than scikit-learn for "
            f"{result.disagreements} of {result.images} images."
        )
    if not result.max_difference <= TOLERANCE:
        above = int((~(differences <= TOLERANCE)).sum())
        raise ParityError(
            f"The graph of {name} differs from scikit-learn by up to {result.max_difference:.2g} "
            f"in a {score}, above the {TOLERANCE:g} allowed for {above} of {result.images} images."
        )
    if not result.max_batch_difference <= TOLERANCE or batch_gap > LABEL_MARGIN * scale:
        raise ParityError(
            f"The graph of {name} gives an image alone and in a batch a {score} that differs by up "
            f"to {result.max_batch_difference:.2g}, above the {TOLERANCE:g} allowed."
        )
    return result


def speed(estimator: Any, graph: Graph, features: NDArray[np.float32]) -> Speed:
    """scikit-learn's time divided by the graph's, for 1, 32 and 128 images of ``features``.

    The two take turns and the best time of each counts, so that other work on the machine affects
    both. A graph that seems slower is measured up to three times and keeps its best figures. Never
    raises: a busy machine must not refuse a graph that is correct.
    """
    best: list[float] = []
    for _ in range(_ATTEMPTS):
        ratios = [_ratio(estimator, graph, features, size) for size in BATCHES]
        if not best or min(ratios) > min(best):
            best = ratios
        if min(best) >= 1:
            break
    return Speed(batch_1=best[0], batch_32=best[1], batch_128=best[2])


def _distance(expected: Floats, actual: Floats) -> Floats:
    """[N]: the largest difference of each image; infinite if either is not a number."""
    with np.errstate(invalid="ignore"):
        largest = np.abs(expected - actual).max(axis=1)
    return np.where(np.isnan(largest), np.inf, largest)


def _gaps(scores: Floats) -> Floats:
    """[N]: the difference between the two best scores of each image."""
    ordered = np.sort(scores, axis=1)
    return np.asarray(ordered[:, -1] - ordered[:, -2])


def _compare_batches(
    runtime: OnnxRuntime,
    features: NDArray[np.float32],
    scores: Floats,
    indices: NDArray[np.int64],
) -> tuple[float, float]:
    """How images run one by one differ from the same images in a batch.

    Returns the largest difference of a score, and the largest gap between the two best scores of
    an image whose label differs.
    """
    rows = np.unique(np.linspace(0, len(features) - 1, _SINGLES).astype(int))
    alone = [runtime.run(features[row : row + 1]) for row in rows]
    difference = _distance(scores[rows], np.concatenate([outcome.scores for outcome in alone]))
    differs = np.concatenate([outcome.indices for outcome in alone]) != indices[rows]
    gaps = _gaps(scores[rows])[differs]
    return float(difference.max()), float(gaps.max(initial=0.0))


def _ratio(estimator: Any, graph: Graph, features: NDArray[np.float32], size: int) -> float:
    runtime = OnnxRuntime(graph.model)
    rows = np.resize(np.arange(len(features)), max(len(features), 2 * size))
    pool = features[rows[: 4 * size + 64]]
    methods = ("predict_proba", "decision_function", "predict")
    method = next(getattr(estimator, name) for name in methods if hasattr(estimator, name))
    best_estimator = best_graph = np.inf
    spent, turn = 0.0, 0
    runtime.run(pool[:size])
    while turn < 3 or spent < _SPEED_SECONDS:
        start = (turn * 7) % (len(pool) - size)
        batch = pool[start : start + size]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            slow = _seconds(method, batch)
        fast = min(_seconds(runtime.run, batch) for _ in range(3))
        best_estimator, best_graph = min(best_estimator, slow), min(best_graph, fast)
        spent += slow + 3 * fast
        turn += 1
    return float(best_estimator / best_graph)


def _seconds(call: Callable[[NDArray[np.float32]], object], batch: NDArray[np.float32]) -> float:
    start = time.perf_counter()
    call(batch)
    return time.perf_counter() - start
