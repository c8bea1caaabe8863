"""Harm without labels, on a trained version and its half copies."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from images.spec import ImageSpec
from models.artifact import Artifact, read_artifact
from models.reference import Reference
from monitor.accuracy.harm import (
    LABELS,
    HarmReport,
    HarmSettings,
    dissent,
    estimate,
    label_first,
    suspect,
)
from monitor.proportions import Share
from train.dataset import split
from train.digits import load_digits
from train.fit import train

DIGITS = ImageSpec.parse("digits")
PARTS = split(load_digits(DIGITS), 0.25, seed=5)
PRODUCTION = PARTS.holdout.pixels


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    folder: Path = tmp_path_factory.mktemp("version")
    train(PARTS.train, "svc").candidate.write(folder)
    return read_artifact(folder)


@pytest.fixture(scope="module")
def reference(artifact: Artifact) -> Reference:
    found = Reference.load(artifact)
    assert found is not None
    return found


def answers(artifact: Artifact, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    return artifact.open().run(DIGITS.features(pixels)).scores


def judge(
    artifact: Artifact,
    reference: Reference,
    pixels: NDArray[np.uint8],
    weights: NDArray[np.float64] | None = None,
) -> HarmReport:
    said = answers(artifact, pixels)
    return suspect(reference, artifact.halves(), DIGITS, pixels, said, weights)


def moved(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """By one pixel to the right: it costs an SVC some forty points (bench.harm)."""
    return np.roll(pixels.reshape(-1, 8, 8), 1, axis=2).reshape(-1, 64)


def test_later_images_are_calm(artifact: Artifact, reference: Reference) -> None:
    report = judge(artifact, reference, PRODUCTION)
    assert report.state == "calm"
    assert report.excess is not None
    assert abs(report.excess) < 0.03
    assert "no sign of harm" in report.reason


def test_moved_images_are_suspected_of_harm(artifact: Artifact, reference: Reference) -> None:
    pixels = moved(PRODUCTION[:200])
    report = judge(artifact, reference, pixels)
    assert report.suspected
    assert report.surely is not None
    assert report.excess is not None
    assert 0.05 < report.surely < report.excess
    assert "harm is suspected" in report.reason
    assert "accuracy is" not in report.reason
    said = answers(artifact, pixels)
    truth = PARTS.holdout.indices[:200]
    assert (said.argmax(axis=1) == truth).mean() < 0.8


def test_the_reference_itself_has_no_excess(artifact: Artifact, reference: Reference) -> None:
    report = judge(artifact, reference, reference.pixels)
    assert report.excess == pytest.approx(0, abs=1e-9)
    assert report.window == report.reference


def test_weights_count(artifact: Artifact, reference: Reference) -> None:
    pixels = np.concatenate([PRODUCTION[:200], moved(PRODUCTION[200:400])])
    kept = np.repeat([1.0, 1e-6], 200)
    assert judge(artifact, reference, pixels).suspected
    report = judge(artifact, reference, pixels, kept)
    assert report.state == "calm"
    assert report.window == pytest.approx(
        judge(artifact, reference, PRODUCTION[:200]).window, abs=1e-4
    )


def test_a_few_images_are_too_few(artifact: Artifact, reference: Reference) -> None:
    report = judge(artifact, reference, moved(PRODUCTION[:49]))
    assert (report.state, report.excess) == ("unknown", None)
    assert report.label_first


def test_weights_can_leave_too_few(artifact: Artifact, reference: Reference) -> None:
    weights = np.where(np.arange(200) < 20, 1000.0, 1.0)
    assert judge(artifact, reference, PRODUCTION[:200], weights).state == "unknown"


def test_without_halves_it_says_why_and_what_to_label(
    artifact: Artifact, reference: Reference
) -> None:
    said = answers(artifact, PRODUCTION[:150])
    report = suspect(
        reference, None, DIGITS, PRODUCTION[:150], said, without="Class 'c' has a single image."
    )
    assert report.state == "unknown"
    assert report.reason.endswith("Class 'c' has a single image.")
    assert len(report.label_first) == LABELS


def test_no_images(artifact: Artifact, reference: Reference) -> None:
    none = np.empty((0, 64), np.uint8)
    report = suspect(reference, artifact.halves(), DIGITS, none, np.empty((0, 10), np.float32))
    assert (report.state, report.label_first) == ("unknown", ())


def test_a_report_is_json_and_back(artifact: Artifact, reference: Reference) -> None:
    report = judge(artifact, reference, moved(PRODUCTION[:100]))
    assert HarmReport.model_validate_json(report.model_dump_json()) == report


def test_dissent_is_where_not_all_agree() -> None:
    one, other = np.eye(3, dtype=np.float32)[[0, 1, 2]], np.eye(3, dtype=np.float32)[[0, 2, 2]]
    assert dissent(one, one, other).tolist() == [False, True, False]


def test_the_bound_decides_not_the_estimate() -> None:
    # sqrt(.1 * .9 / 200 + .02 * .98 / 400) = 0.0223 but for the half images; 1.96 of it is 0.044.
    found = estimate(Share(0.10, 200), Share(0.02, 400), HarmSettings())
    assert found.excess == pytest.approx(0.08)
    assert found.surely == pytest.approx(0.08 - 1.96 * 0.0223, abs=2e-3)
    assert not found.harmed
    assert estimate(Share(0.12, 1000), Share(0.02, 400), HarmSettings()).harmed


def probabilities(count: int) -> NDArray[np.float32]:
    rng = np.random.default_rng(0)
    return rng.dirichlet(np.ones(4), count).astype(np.float32)


def test_half_of_the_labels_are_asked_where_they_disagree() -> None:
    said = probabilities(1000)
    mask = np.arange(1000) % 5 == 0
    rows = label_first(said, mask)
    assert len(rows) == len(set(rows)) == LABELS
    assert sum(mask[list(rows)]) == LABELS // 2
    assert mask[rows[0]]


def test_they_are_spread_over_the_predicted_classes() -> None:
    said = probabilities(1000)
    said[:700] = np.array([0.97, 0.01, 0.01, 0.01], np.float32)
    mask = np.ones(1000, dtype=bool)
    mask[::10] = False
    rows = [row for row in label_first(said, mask) if mask[row]]
    counts = Counter(said[rows].argmax(axis=1).tolist())
    assert set(counts) == {0, 1, 2, 3}
    assert max(counts.values()) - min(counts.values()) <= 1


def test_all_with_dissent_are_asked_where_they_are_few() -> None:
    mask = np.zeros(1000, dtype=bool)
    mask[[3, 500, 999]] = True
    rows = label_first(probabilities(1000), mask)
    assert {3, 500, 999} < set(rows)
    assert len(rows) == LABELS


def test_a_window_smaller_than_what_is_asked_is_asked_whole() -> None:
    rows = label_first(probabilities(30), np.arange(30) < 10)
    assert sorted(rows) == list(range(30))
