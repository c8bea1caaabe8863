"""From a fitted classifier to a version's files."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

from errors import ConversionError, ParityError
from images.spec import ImageSpec
from models.artifact import read_artifact
from models.offline.candidate import Candidate
from models.offline.validity import check_artifact
from models.reference import Reference

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


def with_halves(logistic: Candidate, *rows: slice) -> Candidate:
    halves = [
        RandomForestClassifier(5, random_state=0).fit(DIGITS.features(PIXELS[some]), TARGETS[some])
        for some in rows
    ]
    reference = Reference(
        PIXELS[800:900], TARGETS[800:900].astype(np.int64), np.full((100, 10), 0.1, np.float32)
    )
    return replace(logistic, reference=reference, halves=tuple(halves))


def test_half_models_are_saved_with_their_probabilities(
    logistic: Candidate, tmp_path: Path
) -> None:
    draft = with_halves(logistic, slice(0, 400), slice(400, 800))
    manifest = draft.write(tmp_path)
    assert manifest.without_halves is None
    artifact = read_artifact(tmp_path)
    check_artifact(artifact)
    halves, reference = artifact.halves(), Reference.load(artifact)
    assert halves is not None
    assert draft.halves is not None
    assert reference is not None
    assert reference.halves is not None
    features = DIGITS.features(PIXELS[800:900])
    for index, half in enumerate(halves):
        expected = draft.halves[index].predict_proba(features)
        np.testing.assert_allclose(half.run(features).scores, expected, atol=1e-4)
        np.testing.assert_allclose(reference.halves[index], expected, atol=1e-4)


def test_half_models_that_cannot_be_converted_are_left_out_with_the_reason(
    logistic: Candidate, tmp_path: Path
) -> None:
    # The first nine digits in the data are 0 to 8.
    manifest = with_halves(logistic, slice(0, 9), slice(400, 800)).write(tmp_path)
    assert manifest.without_halves == "One half of the training data does not have all classes."
    artifact = read_artifact(tmp_path)
    assert artifact.halves() is None
    assert artifact.manifest.without_halves == manifest.without_halves
    assert "reference.npz" in manifest.files


def test_half_models_are_reproducible_content(logistic: Candidate, tmp_path: Path) -> None:
    digests = []
    for name, where in (("a", 400), ("b", 400), ("c", 390)):
        (tmp_path / name).mkdir()
        draft = with_halves(logistic, slice(0, where), slice(where, 800))
        digests.append(draft.write(tmp_path / name).content)
    assert digests[0] == digests[1] != digests[2]


def test_a_file_name_that_no_manifest_accepts_is_refused(
    logistic: Candidate, tmp_path: Path
) -> None:
    with pytest.raises(ValidationError, match="files"):
        replace(logistic, pictures={"../x.png": b"png"}).write(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_classifier_without_a_correct_graph_is_refused_and_nothing_is_written(
    tmp_path: Path,
) -> None:
    wrong = candidate(KNeighborsClassifier(metric="cosine"))
    with pytest.raises((ConversionError, ParityError)):
        wrong.write(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_it_can_be_served_by_scikit_learn_instead(tmp_path: Path) -> None:
    wrong = candidate(KNeighborsClassifier(weights="distance"), backend="sklearn")
    manifest = wrong.write(tmp_path)
    assert "model.onnx" not in manifest.files
    features = DIGITS.features(PIXELS[:50])
    outcome = read_artifact(tmp_path).open().run(features)
    np.testing.assert_allclose(outcome.scores, wrong.estimator.predict_proba(features), atol=1e-6)
    np.testing.assert_array_equal(outcome.indices, wrong.estimator.predict(features))
