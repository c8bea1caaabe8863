from dataclasses import replace

import numpy as np
import pytest

from images.spec import ImageSpec
from train.dataset import Dataset
from train.outlook import Outlook, without_outlook

SPEC = ImageSpec.parse("rgb-4x4")


def photos(
    count: int = 60, wrong: tuple[int, ...] = (), classes: int = 3, seed: int = 0
) -> Dataset:
    random = np.random.default_rng(seed)
    truth = np.arange(count) % classes
    embeddings = 4 * np.eye(32)[truth] + random.normal(0, 0.3, (count, 32))
    given = truth.copy()
    given[list(wrong)] = (given[list(wrong)] + 1) % classes
    return Dataset(
        random.integers(0, 256, (count, SPEC.n_features), np.uint8),
        np.array(["cat", "dog", "owl", *map(str, range(classes - 3))])[given],
        "photos",
        SPEC,
        where=tuple(f"photos/{row}.jpg" for row in range(count)),
        embeddings=embeddings.astype(np.float32),
    )


def outlook_of(data: Dataset) -> Outlook:
    found = Outlook.of(data, "logistic-features", 0)
    assert found is not None
    return found


@pytest.fixture(scope="module")
def doubted() -> tuple[Dataset, Outlook]:
    data = photos(wrong=(6, 30))
    return data, outlook_of(data)


def test_wrong_labels_are_found_and_named(doubted: tuple[Dataset, Outlook]) -> None:
    data, outlook = doubted
    assert {one.row for one in outlook.suspects} == {6, 30}
    notes = "\n".join(outlook.notes(data))
    assert "2 labels look wrong" in notes
    assert "photos/6.jpg: dog, and looks like cat" in notes


def test_a_contact_sheet_shows_them(doubted: tuple[Dataset, Outlook]) -> None:
    data, outlook = doubted
    assert (outlook.picture(data) or b"").startswith(b"\x89PNG")


def test_the_cross_validation_has_an_interval(doubted: tuple[Dataset, Outlook]) -> None:
    data, outlook = doubted
    assert outlook.accuracy.low < outlook.accuracy.value == pytest.approx(58 / 60)
    assert "Cross-validation: 96.7% of 60 photos right" in outlook.notes(data)[0]


def test_right_labels_are_not_doubted() -> None:
    data = photos()
    outlook = outlook_of(data)
    assert outlook.suspects == ()
    assert outlook.picture(data) is None
    assert len(outlook.notes(data)) == 1


def test_classes_of_two_photos_have_no_outlook() -> None:
    assert Outlook.of(photos(6), "logistic-features", 0) is None


def test_the_interval_is_that_of_the_groups() -> None:
    data = photos(wrong=(6, 30))
    grouped = replace(data, groups=np.array([str(row // 6) for row in range(60)]))
    outlook = outlook_of(grouped)
    assert "of 10 groups)" in outlook.notes(grouped)[0]
    assert outlook.accuracy.low < outlook_of(data).accuracy.low


def test_a_single_label_that_looks_wrong() -> None:
    data = photos(wrong=(6,))
    notes = "\n".join(outlook_of(data).notes(data))
    assert "1 label looks wrong; it is trained on all the same, so correct the file and" in notes


def test_where_there_is_none_it_is_said_why() -> None:
    few = photos(9)
    assert Outlook.of(few, "logistic-features", 0) is None
    assert "it takes four photos of each class" in without_outlook(few)[0]
    wide = replace(photos(80, classes=20), embeddings=np.zeros((80, 40_000), np.float32))
    assert Outlook.of(wide, "logistic-features", 0) is None
    assert "with 20 classes it would take minutes" in without_outlook(wide)[0]


def test_of_many_photos_the_holdout_says_enough() -> None:
    assert without_outlook(replace(photos(1002), embeddings=None)) == []
