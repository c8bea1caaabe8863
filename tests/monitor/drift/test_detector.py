"""The detector on the digits, with a classifier by the nearest mean."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

from images.spec import ImageSpec
from models.neighbours import Neighbours
from models.reference import Reference
from monitor.drift.columns import Columns
from monitor.drift.detector import DriftDetector, DriftSettings, holm
from monitor.drift.results import DriftReport

SPEC = ImageSpec.parse("digits")


def digits() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """In random order: they are ordered by their writers."""
    values, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(labels))
    return np.rint(values[order] / 16 * 255).astype(np.uint8), labels[order]


PIXELS, LABELS = digits()
TRAINING, HELD = slice(0, 600), slice(600, 1400)
LATER = PIXELS[1400:]
MEANS = np.stack([PIXELS[TRAINING][LABELS[TRAINING] == digit].mean(axis=0) for digit in range(10)])


def probabilities(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    distances = np.linalg.norm(pixels[:, None] - MEANS, axis=2) / 50
    exponentials = np.exp(-(distances - distances.min(axis=1, keepdims=True)))
    return np.asarray(exponentials / exponentials.sum(axis=1, keepdims=True), np.float32)


ANALYSIS = PCA(20, random_state=0).fit(SPEC.features(PIXELS[TRAINING]))


NEAR = Neighbours.of(PIXELS[TRAINING], SPEC)


def reference(images: int = 800, *, components: bool = True, near: bool = True) -> Reference:
    held = PIXELS[HELD][:images]
    nearest = [NEAR.distances(held), NEAR.among(PIXELS[TRAINING])]
    return Reference(
        pixels=held,
        labels=LABELS[HELD][:images],
        probabilities=probabilities(held),
        pca_mean=ANALYSIS.mean_.astype(np.float32) if components else None,
        pca_components=ANALYSIS.components_.astype(np.float32) if components else None,
        neighbours=NEAR.small if near else None,
        nearest=np.concatenate(nearest) if near else None,
    )


def compare(
    detector: DriftDetector,
    pixels: NDArray[np.uint8],
    weights: NDArray[np.float64] | None = None,
    seed: int = 0,
) -> DriftReport:
    return detector.compare(pixels, probabilities(pixels), weights, seed)


@pytest.fixture(scope="module")
def detector() -> DriftDetector:
    return DriftDetector().fit(reference(), SPEC, range(10))


def darker(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return (pixels * 0.5).astype(np.uint8)


def test_a_window_like_the_reference_is_calm(detector: DriftDetector) -> None:
    report = compare(detector, LATER[:150])
    assert report.state == "calm"
    assert report.evidence is not None
    assert report.evidence > 0.05
    assert report.reason == "The images and the model's predictions match the reference."
    assert (report.given, report.images, report.reference) == (150, 150, 800)
    assert report.examples == ()


def test_a_darker_window_is_changed_and_says_how(detector: DriftDetector) -> None:
    report = compare(detector, darker(LATER[:150]))
    assert report.state == "warn"
    assert report.p_value is not None
    assert report.p_value < 1e-10
    assert report.evidence == report.p_value
    assert "statistics" in [view.name for view in report.changed]
    assert "lower in contrast" in report.reason or "darker" in report.reason


def test_the_images_of_a_part_that_changed_are_the_examples(detector: DriftDetector) -> None:
    pixels = LATER[:200].copy()
    pixels[40:60] = 255 - pixels[40:60]
    report = compare(detector, pixels)
    assert report.state == "warn"
    unusual = next(view for view in report.views if view.name == "unusual images")
    assert set(unusual.examples) <= set(range(40, 60))
    assert len(report.examples) == 8


def test_a_missing_class_is_named(detector: DriftDetector) -> None:
    kept = LATER[(probabilities(LATER).argmax(axis=1) != 3)][:200]
    report = compare(detector, kept)
    assert report.classes[0].label == 3
    assert report.classes[0].window == 0
    assert "Class 3 is no longer predicted" in report.reason


def test_labels_are_the_models_own() -> None:
    names = [f"digit-{number}" for number in range(10)]
    found = DriftDetector().fit(reference(), SPEC, names)
    kept = LATER[(probabilities(LATER).argmax(axis=1) != 3)][:200]
    assert compare(found, kept).classes[0].label == "digit-3"


def test_too_few_images_are_not_enough_data(detector: DriftDetector) -> None:
    report = compare(detector, LATER[:49])
    assert (report.state, report.p_value, report.evidence) == ("unknown", None, None)
    assert report.reason == "Not enough data: 49 images, but at least 50 are needed."


def test_no_images_are_not_enough_data(detector: DriftDetector) -> None:
    assert compare(detector, LATER[:0]).state == "unknown"


def test_a_small_reference_is_not_enough_data() -> None:
    report = compare(DriftDetector().fit(reference(249), SPEC), LATER[:200])
    assert report.state == "unknown"
    assert "the reference has 249 images, but windows of 50 need at least 250" in report.reason


@pytest.mark.parametrize(("images", "enough"), [(249, False), (250, True)])
def test_a_reference_of_250_is_enough(images: int, enough: bool) -> None:
    assert DriftDetector().fit(reference(images), SPEC).enough is enough


def test_a_large_window_is_sampled_the_same_way_for_a_seed() -> None:
    detector = DriftDetector(DriftSettings(max_images=160)).fit(reference(), SPEC)
    first, again, other = (compare(detector, darker(LATER), seed=seed) for seed in (1, 1, 2))
    assert (first.given, first.images) == (397, 160)
    assert first == again
    assert first.examples != other.examples
    assert first.reason.endswith(
        "Compared: 160 of the window's 397 images, with 800 of the reference."
    )


def test_a_class_three_times_as_often_is_found_against_a_small_reference() -> None:
    rng = np.random.default_rng(4)
    everything = np.bincount(LABELS, minlength=10)
    held = replace(reference(360), drawn_from=everything)
    detector = DriftDetector().fit(held, SPEC)
    chances = np.where(probabilities(LATER).argmax(axis=1) == 6, 3.0, 1.0)
    window = LATER[rng.choice(len(LATER), 300, p=chances / chances.sum())]
    report = compare(detector, window)
    found = next(view for view in report.views if view.name == "classes")
    assert found.adjusted < 0.01
    assert "class 6" in found.words
    assert report.images == 300
    # A reference of which nothing else is known tells less.
    alone = compare(DriftDetector().fit(reference(360), SPEC), window)
    assert next(view for view in alone.views if view.name == "classes").p_value > found.p_value


def test_rows_of_a_sampled_window_are_the_windows() -> None:
    detector = DriftDetector(DriftSettings(max_images=200)).fit(reference(), SPEC)
    pixels = LATER.copy()
    pixels[300:340] = 255 - pixels[300:340]
    report = compare(detector, pixels)
    unusual = next(view for view in report.views if view.name == "unusual images")
    assert set(unusual.examples) <= set(range(300, 340))


def test_what_was_recorded_more_often_is_no_drift_if_its_weight_says_so(
    detector: DriftDetector,
) -> None:
    """Of unsure images all were kept, of others three in twenty."""
    confidence = probabilities(LATER).max(axis=1)
    unsure = confidence < np.quantile(confidence, 0.2)
    rng = np.random.default_rng(0)
    kept = np.flatnonzero(unsure | (rng.random(len(LATER)) < 0.15))
    weights = np.where(unsure[kept], 1.0, 1 / 0.15)
    unweighted = compare(detector, LATER[kept])
    weighted = compare(detector, LATER[kept], weights)
    assert unweighted.state == "warn"
    assert weighted.state == "calm"
    assert weighted.images < len(kept)


def test_a_window_too_small_once_thinned_says_so(detector: DriftDetector) -> None:
    weights = np.where(np.arange(100) < 40, 50.0, 1.0)
    report = compare(detector, LATER[:100], weights)
    assert report.state == "unknown"
    assert "(of 100 recorded, after weighting), but at least 50 are needed" in report.reason


def test_a_twentieth_upside_down_is_found_in_all_of_a_large_window() -> None:
    detector = DriftDetector().fit(reference(359), SPEC)
    pixels = LATER.copy()
    pixels[100:140] = pixels[100:140].reshape(-1, 8, 8)[:, ::-1].reshape(-1, 64)
    report = compare(detector, pixels)
    unusual = next(view for view in report.views if view.name == "unusual images")
    assert (report.given, report.images) == (397, 397)
    assert unusual.adjusted < 0.01
    assert unusual.large
    assert len(set(unusual.examples) & set(range(100, 140))) >= 6
    assert "Compared" not in report.reason
    assert compare(detector, LATER).state == "calm"


def test_without_principal_components_four_views_are_left() -> None:
    found = DriftDetector().fit(reference(components=False), SPEC)
    report = compare(found, darker(LATER[:150]))
    names = ["outputs", "classes", "statistics", "unusual images"]
    assert [view.name for view in report.views] == names
    assert report.state == "warn"


def test_without_neighbours_the_components_tell_which_images_are_unusual() -> None:
    found = DriftDetector().fit(reference(near=False), SPEC)
    pixels = LATER[:200].copy()
    pixels[40:60] = 255 - pixels[40:60]
    unusual = compare(found, pixels).views[-1]
    assert unusual.name == "unusual images"
    assert set(unusual.examples) <= set(range(40, 60))


def test_of_an_old_version_without_either_three_views_are_left() -> None:
    found = DriftDetector().fit(reference(components=False, near=False), SPEC)
    report = compare(found, darker(LATER[:150]))
    assert [view.name for view in report.views] == ["outputs", "classes", "statistics"]
    assert report.state == "warn"


def test_a_sure_change_that_is_too_small_gives_no_evidence() -> None:
    rng = np.random.default_rng(0)

    def columns(images: int, step: float) -> Columns:
        statistics = rng.normal(step, 1, (images, 10)).astype(np.float32)
        outputs = rng.dirichlet(np.ones(10), images).astype(np.float32)
        errors = rng.random(images).astype(np.float32)
        return Columns(outputs, statistics, errors, errors)

    detector = DriftDetector(DriftSettings(max_images=4_000)).fit(reference(), SPEC)
    detector.reference = columns(20_000, 0)
    report = detector.judge(columns(4_000, 0.12))
    assert report.p_value is not None
    assert report.p_value < 0.001
    assert (report.state, report.evidence) == ("calm", 1.0)
    assert report.reason.startswith("A change too small to matter: ")


def test_a_change_that_is_not_sure_enough_to_warn_says_so(detector: DriftDetector) -> None:
    report = compare(detector, darker(LATER[:150]))
    unsure = report.model_copy(update={"state": "calm", "evidence": 0.012}).explained()
    assert unsure.reason.startswith("Possibly by chance (p = 0.012): ")


def test_false_alarms_are_as_rare_as_asked(detector: DriftDetector) -> None:
    rng = np.random.default_rng(1)
    everything = detector.describe(PIXELS[600:], probabilities(PIXELS[600:]))
    called = 0
    for _ in range(5):
        detector = DriftDetector().fit(reference(100), SPEC)
        drawn = everything.take(rng.integers(len(everything), size=500))
        detector.reference = replace(drawn, strangeness=reference().nearest)
        for _ in range(20):
            report = detector.judge(everything.take(rng.integers(len(everything), size=100)))
            called += report.p_value is not None and report.p_value < 0.05
    # Of 100 windows 5 are expected; more than 11 have a chance of 0.004.
    assert called <= 11


def test_reports_survive_json(detector: DriftDetector) -> None:
    report = compare(detector, darker(LATER[:150]))
    assert DriftReport.model_validate_json(report.model_dump_json()) == report


@pytest.mark.parametrize(
    ("p_values", "adjusted"),
    [
        # https://en.wikipedia.org/wiki/Holm-Bonferroni_method, its example.
        ([0.01, 0.04, 0.03, 0.005], [0.03, 0.06, 0.06, 0.02]),
        ([0.5, 0.9], [1.0, 1.0]),
        ([0.02], [0.02]),
        ([], []),
    ],
)
def test_holm(p_values: list[float], adjusted: list[float]) -> None:
    assert holm(p_values) == pytest.approx(adjusted)
