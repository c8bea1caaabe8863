"""From a fitted classifier to a version's files."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

from errors import ConversionError, ParityError
from models.artifact import read_artifact
from models.candidate import Candidate, Reference, label_values
from models.spec import ImageSpec

DIGITS = ImageSpec.parse("digits")
INK, TARGETS = load_digits(return_X_y=True)
PIXELS = np.rint(INK / 16 * 255).astype(np.uint8)


def candidate(estimator: Any, **changes: Any) -> Candidate:
    fitted = estimator.fit(DIGITS.features(PIXELS[:800]), TARGETS[:800])
    return replace(Candidate("clf", fitted, DIGITS, PIXELS[800:900]), **changes)


@pytest.fixture(scope="module")
def logistic() -> Candidate:
    return candidate(LogisticRegression(C=0.01, max_iter=5000))


def test_what_is_written_is_an_artifact_that_answers(logistic: Candidate, tmp_path: Path) -> None:
    logistic.write(tmp_path)
    artifact = read_artifact(tmp_path)
    artifact.verify()
    outcome = artifact.open().run(DIGITS.features(PIXELS))
    expected = logistic.estimator.predict(DIGITS.features(PIXELS))
    np.testing.assert_array_equal(outcome.indices, expected)


def test_the_manifest_says_what_it_is(logistic: Candidate, tmp_path: Path) -> None:
    manifest = logistic.write(tmp_path)
    assert manifest.labels == tuple(range(10))
    assert manifest.label_type == "integer"
    assert manifest.gives_probabilities
    assert manifest.estimator == "LogisticRegression"
    assert set(manifest.files) == {"model.onnx", "estimator.skops", "golden.npz"}
    assert manifest.parity is not None
    assert manifest.parity.images == 700
    assert manifest.parity.disagreements == 0


def test_the_same_candidate_has_the_same_content(logistic: Candidate, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    first, second = logistic.write(tmp_path / "a"), logistic.write(tmp_path / "b")
    assert first.content == second.content
    assert first.files == second.files


def test_other_parameters_are_other_content(logistic: Candidate, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    first = logistic.write(tmp_path / "a")
    second = replace(logistic, parameters={"C": 2}).write(tmp_path / "b")
    assert first.content != second.content


def test_pictures_and_reference_lie_beside_it(logistic: Candidate, tmp_path: Path) -> None:
    reference = Reference(
        PIXELS[:5], np.arange(5, dtype=np.int64), np.full((5, 10), 0.1, np.float32)
    )
    replace(logistic, reference=reference, pictures={"confusion.png": b"png"}).write(tmp_path)
    artifact = read_artifact(tmp_path)
    assert artifact.read("confusion.png") == b"png"
    assert artifact.arrays("reference.npz")["pixels"].shape == (5, 64)


def test_what_has_no_right_graph_is_refused_and_leaves_no_manifest(tmp_path: Path) -> None:
    wrong = candidate(KNeighborsClassifier(weights="distance"))
    with pytest.raises((ConversionError, ParityError)):
        wrong.write(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_it_can_be_served_by_scikit_learn_all_the_same(tmp_path: Path) -> None:
    wrong = candidate(KNeighborsClassifier(weights="distance"), backend="sklearn")
    manifest = wrong.write(tmp_path)
    assert "model.onnx" not in manifest.files
    features = DIGITS.features(PIXELS[:50])
    outcome = read_artifact(tmp_path).open().run(features)
    np.testing.assert_allclose(outcome.scores, wrong.estimator.predict_proba(features), atol=1e-6)
    np.testing.assert_array_equal(outcome.indices, wrong.estimator.predict(features))


@pytest.mark.parametrize(
    ("classes", "labels"),
    [
        (np.array([3, 5], np.int8), (3, 5)),
        (np.array(["a", "b"]), ("a", "b")),
        (np.array(["a", "b"], object), ("a", "b")),
    ],
)
def test_labels_as_json_has_them(classes: Any, labels: tuple[Any, ...]) -> None:
    values = label_values(classes)
    assert values == labels
    assert json.loads(json.dumps(values)) == list(labels)


@pytest.mark.parametrize("classes", [[0.5, 1.0], [True, False], [[1], [2]], [b"a", b"b"]])
def test_labels_that_json_has_not(classes: Any) -> None:
    with pytest.raises(ConversionError, match="must be an integer or a string"):
        label_values(classes)
