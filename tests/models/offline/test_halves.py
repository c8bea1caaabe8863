"""Two half copies as graphs."""

from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import RidgeClassifier
from sklearn.neighbors import KNeighborsClassifier

from errors import ConversionError
from images.spec import ImageSpec
from models.offline.halves import convert_halves
from models.runtime import OnnxRuntime

DIGITS = ImageSpec.parse("digits")
INK, TARGETS = load_digits(return_X_y=True)
PIXELS = np.rint(INK / 16 * 255).astype(np.uint8)
HELD = PIXELS[1200:]


def fitted(estimator: Any, start: int, stop: int, labels: range = range(10)) -> Any:
    rows = [row for row in range(start, stop) if TARGETS[row] in labels]
    return estimator.fit(DIGITS.features(PIXELS[rows]), TARGETS[rows])


def halves(estimator: Any, **changes: Any) -> tuple[Any, Any]:
    kind = type(estimator)
    parameters = estimator.get_params()
    return (
        fitted(kind(**parameters), 0, 600, **changes),
        fitted(kind(**parameters), 600, 1200, **changes),
    )


def test_the_graphs_answer_as_the_copies_do() -> None:
    whole = fitted(RandomForestClassifier(5, random_state=0), 0, 1200)
    pair = halves(whole)
    made = convert_halves(pair, whole, DIGITS, HELD)
    assert made.probabilities.shape == (2, len(HELD), 10)
    assert made.probabilities.dtype == np.float32
    features = DIGITS.features(HELD)
    for half, graph, found in zip(pair, made.graphs, made.probabilities, strict=True):
        np.testing.assert_allclose(found, half.predict_proba(features), atol=1e-4)
        np.testing.assert_array_equal(OnnxRuntime(graph).run(features[:7]).scores, found[:7])


def test_a_half_without_a_class_is_refused() -> None:
    whole = fitted(RandomForestClassifier(5, random_state=0), 0, 1200)
    with pytest.raises(ConversionError, match="does not have all classes"):
        convert_halves(halves(whole, labels=range(9)), whole, DIGITS, HELD)


def test_copies_without_probabilities_are_refused() -> None:
    whole = fitted(RidgeClassifier(), 0, 1200)
    with pytest.raises(ConversionError, match="RidgeClassifier gives no probabilities"):
        convert_halves(halves(whole), whole, DIGITS, HELD)


def test_copies_without_a_graph_are_refused() -> None:
    whole = fitted(KNeighborsClassifier(metric="cosine"), 0, 1200)
    with pytest.raises(ConversionError, match="a distance of Minkowski's family"):
        convert_halves(halves(whole), whole, DIGITS, HELD)
