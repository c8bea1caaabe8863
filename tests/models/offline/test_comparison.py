"""Two versions on the holdout of the one that answers."""

from pathlib import Path

import pytest

from images.spec import ImageSpec
from models.offline.comparison import HoldoutComparison, compare, image_digests, sign_test
from models.store import Store
from tests.drafts import LinearDraft, holdout

# Of 30 images, 20 show an 8, and 10 a 3.
HOLDOUT = holdout([8] * 20 + [3] * 10)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "models")


def test_both_are_tried_on_the_predecessors_holdout(store: Store) -> None:
    before = store.save(LinearDraft(answer=8, reference=HOLDOUT))
    found = compare(store.save(LinearDraft(answer=3)), before)
    assert found == HoldoutComparison(before.tag, 30, 10, 20, wins=10, losses=20)
    assert not found.certainly_worse
    assert not found.certainly_better
    assert found.sentence == (
        f"It is right on 33.3% of the 30 images that {before.tag} was validated on, and "
        f"{before.tag} on 66.7%."
    )


def test_a_version_that_loses_them_all_is_certainly_worse(store: Store) -> None:
    before = store.save(LinearDraft(answer=8, reference=HOLDOUT))
    assert compare(store.save(LinearDraft(answer=5)), before).certainly_worse


def test_a_version_that_gains_them_all_is_certainly_better(store: Store) -> None:
    before = store.save(LinearDraft(answer=5, reference=HOLDOUT))
    found = compare(store.save(LinearDraft(answer=8)), before)
    assert found.certainly_better
    assert not found.certainly_worse


def test_labels_are_compared_and_not_their_places(store: Store) -> None:
    before = store.save(LinearDraft(answer=8, reference=HOLDOUT))
    same = store.save(LinearDraft(answer=8, labels=(8, 3)))
    assert compare(same, before).right == 20
    text = store.save(LinearDraft(answer="8", labels=("8", "3")))
    assert compare(text, before).certainly_worse


def test_what_the_new_one_was_trained_on_does_not_count(store: Store) -> None:
    before = store.save(LinearDraft(answer=5, reference=HOLDOUT))
    seen = image_digests(HOLDOUT.pixels[:25])
    found = compare(store.save(LinearDraft(answer=8)), before, seen)
    assert (found.images, found.seen, found.wins) == (5, 25, 0)
    assert "5 images" in found.sentence
    assert ", without 25 that it was trained on," in found.sentence
    everything = image_digests(HOLDOUT.pixels)
    void = compare(store.save(LinearDraft(answer=8)), before, everything)
    assert void.unknown == "all images of its holdout were trained on"
    assert not void.certainly_worse


def test_versions_that_see_images_in_another_way_cannot_be_compared(store: Store) -> None:
    before = store.save(LinearDraft(answer=8, reference=HOLDOUT))
    found = compare(store.save(LinearDraft(answer=8, spec=ImageSpec.parse("gray-8x8"))), before)
    assert found.sentence == (
        f"It was not compared with {before.tag}: their image specs differ (gray-8x8 and digits)."
    )
    assert not found.certainly_worse
    assert not found.certainly_better


def test_a_version_without_a_holdout_cannot_be_compared_with(store: Store) -> None:
    before = store.save(LinearDraft(answer=8))
    assert compare(store.save(LinearDraft(answer=8)), before).unknown == "it has no holdout"


def test_a_version_whose_files_were_altered_cannot_be_compared_with(store: Store) -> None:
    before = store.save(LinearDraft(answer=8, reference=HOLDOUT))
    (before.path / "reference.npz").write_bytes(b"something else")
    unknown = compare(store.save(LinearDraft(answer=8)), before).unknown
    assert unknown is not None
    assert unknown.startswith("reference.npz of ")


@pytest.mark.parametrize(
    ("more", "fewer", "probability"),
    [(0, 0, 1), (1, 0, 0.5), (7, 0, 1 / 128), (2, 1, 0.5), (13, 2, 121 / 32768)],
)
def test_the_sign_test_is_exact(more: int, fewer: int, probability: float) -> None:
    assert sign_test(more, fewer) == pytest.approx(probability)


def test_the_sign_test_of_a_large_holdout() -> None:
    assert sign_test(2_500, 2_500) == pytest.approx(0.5056, abs=1e-4)
    assert 0 < sign_test(2_700, 2_300) < 1e-7
