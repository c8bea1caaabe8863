"""Harm without labels, on a trained version and its half copies."""

import numpy as np
import pytest
from numpy.typing import NDArray

from images.spec import ImageSpec
from models.artifact import Artifact
from models.reference import Reference
from monitor.accuracy.harm import (
    LABELS,
    HarmReport,
    HarmSettings,
    disagreement,
    estimate,
    label_first,
    suspect,
)
from monitor.proportions import Proportion
from tests.monitor.production import Production

DIGITS = ImageSpec.parse("digits")


@pytest.fixture(scope="module")
def artifact(production: Production) -> Artifact:
    return production.version.artifact


@pytest.fixture(scope="module")
def reference(artifact: Artifact) -> Reference:
    found = Reference.load(artifact)
    assert found is not None
    return found


@pytest.fixture(scope="module")
def pixels(production: Production) -> NDArray[np.uint8]:
    """Images that the version was not trained on."""
    return production.dataset.pixels[:]


def answers(artifact: Artifact, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    return artifact.open().run(DIGITS.features(pixels)).scores


def judge(
    artifact: Artifact,
    reference: Reference,
    pixels: NDArray[np.uint8],
    weights: NDArray[np.float64] | None = None,
) -> HarmReport:
    outputs = answers(artifact, pixels)
    return suspect(reference, artifact.halves(), DIGITS, pixels, outputs, weights)


def moved(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """By one pixel to the right: it costs a logistic regression some sixty points (bench.harm)."""
    return np.roll(pixels.reshape(-1, 8, 8), 1, axis=2).reshape(-1, 64)


def test_later_images_are_calm(
    artifact: Artifact, reference: Reference, pixels: NDArray[np.uint8]
) -> None:
    report = judge(artifact, reference, pixels)
    assert report.state == "calm"
    assert report.excess is not None
    assert abs(report.excess) < 0.03
    assert "no sign of a drop in accuracy" in report.reason


def test_moved_images_are_suspected_of_harm(
    artifact: Artifact, reference: Reference, pixels: NDArray[np.uint8], production: Production
) -> None:
    shifted = moved(production.dataset.pixels[:200])
    report = judge(artifact, reference, shifted)
    assert report.suspected
    assert report.surely is not None
    assert report.excess is not None
    assert 0.05 < report.surely < report.excess
    assert "suggests an accuracy drop of more than 5 points" in report.reason
    assert "accuracy is" not in report.reason
    outputs = answers(artifact, shifted)
    truth = production.dataset.indices[:200]
    assert (outputs.argmax(axis=1) == truth).mean() < 0.8


def test_the_reference_itself_has_no_excess(artifact: Artifact, reference: Reference) -> None:
    report = judge(artifact, reference, reference.pixels)
    assert report.excess == pytest.approx(0, abs=1e-9)
    assert report.window == report.reference


def test_weights_count(artifact: Artifact, reference: Reference, pixels: NDArray[np.uint8]) -> None:
    both = np.concatenate([pixels[:200], moved(pixels[200:400])])
    kept = np.repeat([1.0, 1e-6], 200)
    assert judge(artifact, reference, both).suspected
    report = judge(artifact, reference, both, kept)
    assert report.state == "calm"
    assert report.window == pytest.approx(judge(artifact, reference, pixels[:200]).window, abs=1e-4)


def test_a_few_images_are_too_few(
    artifact: Artifact, reference: Reference, pixels: NDArray[np.uint8]
) -> None:
    report = judge(artifact, reference, moved(pixels[:49]))
    assert (report.state, report.excess) == ("unknown", None)
    assert report.label_first


def test_weights_can_leave_too_few(
    artifact: Artifact, reference: Reference, pixels: NDArray[np.uint8]
) -> None:
    weights = np.where(np.arange(200) < 20, 1000.0, 1.0)
    assert judge(artifact, reference, pixels[:200], weights).state == "unknown"


def test_without_halves_the_report_has_the_reason_and_rows_to_label(
    artifact: Artifact, reference: Reference, pixels: NDArray[np.uint8]
) -> None:
    outputs = answers(artifact, pixels[:150])
    report = suspect(
        reference, None, DIGITS, pixels[:150], outputs, without="Class 'c' has a single image."
    )
    assert report.state == "unknown"
    assert report.reason.endswith("Class 'c' has a single image.")
    assert len(report.label_first) == LABELS


def test_no_images(artifact: Artifact, reference: Reference) -> None:
    none = np.empty((0, 64), np.uint8)
    report = suspect(reference, artifact.halves(), DIGITS, none, np.empty((0, 10), np.float32))
    assert (report.state, report.label_first) == ("unknown", ())


def test_a_report_is_json_and_back(
    artifact: Artifact, reference: Reference, pixels: NDArray[np.uint8]
) -> None:
    report = judge(artifact, reference, moved(pixels[:100]))
    assert HarmReport.model_validate_json(report.model_dump_json()) == report


def test_disagreement_is_where_not_all_agree() -> None:
    first, second = np.eye(3, dtype=np.float32)[[0, 1, 2]], np.eye(3, dtype=np.float32)[[0, 2, 2]]
    assert disagreement(first, first, second).tolist() == [False, True, False]


def test_the_bound_decides_not_the_estimate() -> None:
    # sqrt(.1 * .9 / 200 + .02 * .98 / 400) = 0.0223 but for the half images; 1.96 of it is 0.044.
    found = estimate(Proportion(0.10, 200), Proportion(0.02, 400), HarmSettings())
    assert found.excess == pytest.approx(0.08)
    assert found.lower_bound == pytest.approx(0.08 - 1.96 * 0.0223, abs=2e-3)
    assert not found.harmed
    assert estimate(Proportion(0.12, 1000), Proportion(0.02, 400), HarmSettings()).harmed


def probabilities(count: int) -> NDArray[np.float32]:
    rng = np.random.default_rng(0)
    return rng.dirichlet(np.ones(4), count).astype(np.float32)


def test_half_of_the_rows_have_disagreement() -> None:
    outputs = probabilities(1000)
    mask = np.arange(1000) % 5 == 0
    rows = label_first(outputs, mask)
    assert len(rows) == len(set(rows)) == LABELS
    assert sum(mask[list(rows)]) == LABELS // 2
    assert mask[rows[0]]


def test_those_listed_are_as_often_right_as_the_rest_of_their_half() -> None:
    rng = np.random.default_rng(1)
    errors = []
    for number in range(200):
        outputs = rng.dirichlet(np.ones(4), 1000 + number).astype(np.float32)
        mask = np.sort(outputs)[:, -1] < 0.5
        # The closer to another class, the more often wrong.
        right = rng.random(len(mask)) < outputs.max(axis=1)
        rows = np.array(label_first(outputs, mask))
        errors += [right[rows[half[rows]]].mean() - right[half].mean() for half in (mask, ~mask)]
    # The standard error is 0.0032; the closest margins were off by 0.08.
    assert abs(np.mean(errors[::2])) < 0.012
    assert abs(np.mean(errors[1::2])) < 0.012


def test_any_first_labels_are_of_both_halves_at_random() -> None:
    outputs = probabilities(1000)
    mask = np.arange(1000) % 3 == 0
    rows = label_first(outputs, mask)[:20]
    assert sum(mask[list(rows)]) == 10
    middle = np.median(np.sort(outputs, axis=1) @ np.array([0, 0, -1, 1], np.float32))
    closer = [row for row in rows if np.sort(outputs[row])[-2:] @ [-1, 1] < middle]
    assert 4 <= len(closer) <= 16


def test_only_what_the_version_answered_itself_is_listed() -> None:
    own = np.arange(400) < 70
    rows = label_first(probabilities(400), np.arange(400) % 2 == 0, own)
    assert sorted(rows) == list(range(70))


def test_all_with_disagreement_are_included_where_they_are_few() -> None:
    mask = np.zeros(1000, dtype=bool)
    mask[[3, 500, 999]] = True
    rows = label_first(probabilities(1000), mask)
    assert {3, 500, 999} < set(rows)
    assert len(rows) == LABELS


def test_a_small_window_is_included_whole() -> None:
    rows = label_first(probabilities(30), np.arange(30) < 10)
    assert sorted(rows) == list(range(30))
