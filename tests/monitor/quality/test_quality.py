"""What is wrong with the images and labels of a window, and what is not."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.datasets import load_digits

from images.spec import ImageSpec
from models.manifest import Label
from models.reference import Reference
from monitor.quality.check import Check, CheckName
from monitor.quality.quality import QualityReport, check_quality
from monitor.window.images import decode
from records.traffic import Traffic
from records.windows import Record
from tests.drawing import flat, png
from tests.monitor.recorded import NOON, pictures, record, with_truth

DIGITS = ImageSpec.parse("digits")
INK, TARGETS = load_digits(return_X_y=True)
ORDER = np.random.default_rng(0).permutation(len(INK))
PIXELS = np.rint(INK[ORDER] / 16 * 255).astype(np.uint8)
LABELS = TARGETS[ORDER].astype(np.int64)
REFERENCE = Reference(
    PIXELS[800:1200],
    LABELS[800:1200],
    np.zeros((400, 10), np.float32),
    sizes=np.full((800, 2), 8, np.int64),
)
LATER, THEIRS = PIXELS[1200:], LABELS[1200:]


def window(count: int = 200, **changes: Any) -> list[Record]:
    records = pictures(LATER[:count], **changes)
    predicted = THEIRS[:count].tolist()
    return [replace(kept, label=label) for kept, label in zip(records, predicted, strict=True)]


def quality(
    records: Sequence[Record],
    reference: Reference | None = REFERENCE,
    traffic: Sequence[Traffic] = (),
) -> QualityReport:
    decoded = decode(records, DIGITS)
    return check_quality(records, decoded, reference, DIGITS, range(10), traffic)


def check(report: QualityReport, name: CheckName) -> Check:
    [found] = [one for one in report.checks if one.name == name]
    return found


def images(pixels: NDArray[np.uint8]) -> list[Record]:
    return pictures(pixels)


def test_images_as_in_training_are_calm() -> None:
    report = quality(window(500))
    assert [one.name for one in report.checks if one.state not in ("calm", "unknown")] == []
    assert report.state == "calm"
    assert (report.records, report.images, report.labels) == (500, 500, 0)


def test_blank_images_are_counted_and_named() -> None:
    records = [*window(190), *(record(image=flat(tone)) for tone in range(10))]
    found = check(quality(records), "blank images")
    assert (found.state, found.count, found.rows) == ("warn", 10, tuple(range(190, 200)))
    assert found.share == 0.05
    assert found.words == "5% of the images are blank (a single tone)."


def test_a_single_blank_image_is_no_matter() -> None:
    assert check(quality([*window(49), record(image=flat())]), "blank images").state == "calm"


def test_a_camera_that_is_covered_is_an_alarm() -> None:
    report = quality([*window(20), *(record(image=flat()) for _ in range(180))])
    assert report.state == "alarm"
    assert "90% of the images are blank (a single tone)." in report.reason


def test_blank_images_are_not_also_duplicates() -> None:
    found = check(quality([*window(50), *[record(image=flat())] * 50]), "near-duplicates")
    assert (found.state, found.count) == ("calm", 0)


def test_images_that_come_again_are_duplicates() -> None:
    found = check(quality([*window(100), *window(30)]), "near-duplicates")
    assert (found.state, found.count, found.rows) == ("warn", 30, tuple(range(100, 130)))


@pytest.mark.parametrize("factor", [0.1, 0.3])
def test_dark_images_are_no_duplicates_of_each_other(factor: float) -> None:
    dark = (factor * LATER[:300]).astype(np.uint8)
    assert check(quality(images(dark)), "near-duplicates").state == "calm"
    twice = np.concatenate([dark[:100], dark[:30]])
    assert check(quality(images(twice)), "near-duplicates").rows == tuple(range(100, 130))


def test_inverted_images_are_found_and_the_others_not() -> None:
    report = quality([*window(150), *images(255 - LATER[150:200])])
    found = check(report, "wrong polarity")
    assert found.state == "alarm"
    assert found.rows == tuple(range(150, 200))


def test_images_whose_brightness_says_nothing_are_not_taken_for_negatives() -> None:
    rng = np.random.default_rng(0)
    either = np.where(rng.random((600, 1)) < 0.5, LATER[:1], 255 - LATER[:1])
    noisy = np.clip(either + rng.normal(0, 20, (600, 64)), 0, 255).astype(np.uint8)
    known = replace(REFERENCE, pixels=noisy[:400])
    found = check(quality(images(noisy[400:]), known), "wrong polarity")
    assert found.state == "calm"


def test_images_of_another_size_and_shape() -> None:
    large = [record(image=png(np.tile(one.reshape(8, 8), (4, 4)))) for one in LATER[100:130]]
    wide = [record(image=png(np.tile(one.reshape(8, 8), (1, 2)))) for one in LATER[130:150]]
    report = quality([*window(100), *large, *wide])
    sizes, shapes = check(report, "unusual sizes"), check(report, "unusual shapes")
    assert (sizes.state, sizes.rows) == ("warn", tuple(range(100, 130)))
    assert (shapes.state, shapes.rows) == ("warn", tuple(range(130, 150)))


def test_sizes_are_unknown_where_training_had_none() -> None:
    report = quality(window(20), replace(REFERENCE, sizes=None))
    assert check(report, "unusual sizes").state == "unknown"


def test_what_needs_the_reference_is_unknown_without() -> None:
    report = quality(window(20), None)
    assert [one.name for one in report.checks if one.state == "unknown"] == [
        "unusual sizes",
        "unusual shapes",
        "wrong polarity",
        "class imbalance",
        "labels outside the classes",
        "conflicting labels",
    ]


def test_images_that_rot_are_told_from_those_that_were_never_good() -> None:
    broken = [record(image=b"\x89PNG")] * 10
    refused = [record(image=b"no image", status=400, label=None)] * 10
    report = quality([*window(80), *broken, *refused])
    assert check(report, "unreadable images").rows == tuple(range(80, 90))
    assert check(report, "rejected requests").rows == tuple(range(90, 100))


def test_rejected_requests_are_counted_with_their_weights() -> None:
    # Kept preferentially: one in ten of the good, all of the bad.
    good = [replace(one, weight=10.0) for one in window(90)]
    bad = [record(image=None, status=400, label=None, weight=1.0)] * 10
    found = check(quality([*good, *bad]), "rejected requests")
    assert found.share == pytest.approx(10 / 910)
    assert found.state == "calm"


def test_traffic_says_how_many_were_rejected() -> None:
    traffic = [
        Traffic(NOON, "clf", "clf:a", "champion", kind, key, count)
        for kind, key, count in (
            ("status", "200", 800),
            ("status", "400", 200),
            ("latency", "0.005", 1000),
        )
    ]
    found = check(quality(window(20), traffic=traffic), "rejected requests")
    assert (found.share, found.count, found.state) == (0.2, 200, "warn")


def test_labels_the_model_does_not_know() -> None:
    given: tuple[Label, ...] = (1, "1", 12, 9)
    labelled = [with_truth(one, truth) for one, truth in zip(window(4), given, strict=True)]
    found = check(quality(labelled), "labels outside the classes")
    assert (found.state, found.count, found.rows) == ("warn", 2, (1, 2))
    assert found.words.endswith("are outside the model's classes: '1', 12.")


def test_sources_that_disagree_and_pixels_with_two_labels() -> None:
    labelled = [with_truth(one, 1) for one in window(40)]
    labelled[3] = replace(labelled[3], labels=(("ann", 1), ("bob", 7)))
    labelled[5] = replace(with_truth(labelled[5], 2), image=labelled[9].image)
    labelled[6] = replace(labelled[6], image=labelled[9].image)
    found = check(quality(labelled), "conflicting labels")
    assert (found.state, found.rows) == ("warn", (3, 5, 6, 9))
    assert found.share == 0.1


def test_the_same_label_twice_is_no_conflict() -> None:
    labelled = [replace(one, labels=(("ann", 1), ("bob", 1))) for one in window(40)]
    assert check(quality(labelled), "conflicting labels").count == 0


def test_a_class_that_takes_over_is_imbalance() -> None:
    records = [replace(one, label=3) if row < 100 else one for row, one in enumerate(window(200))]
    found = check(quality(records), "class imbalance")
    assert found.state == "warn"
    assert found.words.startswith("Class 3 makes up ")
    assert all(records[row].label == 3 for row in found.rows)


def test_a_class_that_is_gone_is_imbalance() -> None:
    records = [one for one in window(400) if one.label != 0]
    assert check(quality(records), "class imbalance").words.startswith("Class 0 makes up 0% of")


def test_truth_counts_before_prediction() -> None:
    records = [replace(with_truth(one, one.label), label=3) for one in window(200)]
    assert check(quality(records), "class imbalance").state == "calm"


def test_nothing_at_all() -> None:
    report = quality([])
    assert report.state == "unknown"
    assert {one.state for one in report.checks} == {"unknown"}


def test_a_report_is_json_and_back() -> None:
    report = quality([*window(20), record(image=b"x", status=400)])
    assert QualityReport.model_validate_json(report.model_dump_json()) == report
