"""The data of a retraining: what is trained on, held out, and left out."""

from datetime import timedelta
from hashlib import sha256

import numpy as np
import pytest
from numpy.typing import NDArray

from errors import PipelineError
from models.offline.likeness import Likeness
from models.pixels import Pixels
from models.reference import Reference
from pipeline.data import Rules, TrainingData, assemble
from pipeline.table import summary
from records.labels import NewLabel, add
from records.windows import window
from tests.drafts import LinearDraft
from tests.drawing import flat
from tests.monitor.production import DIGITS
from tests.pipeline.conftest import NOW, Place

# Than the champion was trained, however slow the machine is.
LATER = NOW + timedelta(days=1)


def made(
    place: Place, rules: Rules | None = None, *, accept_new_classes: bool = False
) -> TrainingData:
    return assemble(
        place.database,
        place.store,
        place.champion,
        rules,
        accept_new_classes=accept_new_classes,
    )


def rows(pixels: Pixels) -> set[bytes]:
    return {one.tobytes() for one in pixels}


def names(data: TrainingData, reason: str) -> set[str]:
    return {one.image for one in data.left_out if one.reason == reason}


def frozen_pixels(place: Place) -> NDArray[np.uint8]:
    reference = Reference.load(place.champion.artifact)
    assert reference is not None
    return reference.pixels


def test_without_records_it_is_the_champions_own(place: Place) -> None:
    data = made(place)
    own = place.store.training_images.read("clf", place.champion.version)
    assert own is not None
    trained = [row for row, side in enumerate(own.sides) if side == "train"]
    assert rows(data.train.pixels) <= rows(own.pixels[trained])
    assert len(data.train) + len(data.left_out) == len(trained)
    assert rows(data.frozen.pixels) == rows(frozen_pixels(place))
    assert (data.records, data.from_records, len(data.production)) == (0, 0, 0)
    assert data.unchecked is None


def test_labelled_records_come_to_it(place: Place) -> None:
    pixels, labels = place.some(0, 100)
    place.serve(pixels, labels)
    place.serve(place.some(100, 50)[0], prefix="unlabelled")
    data = made(place)
    assert data.records == 100
    out = sum(one.image.startswith("r-") for one in data.left_out)
    assert data.from_records == 100 - out
    assert out < 20
    assert rows(data.train.pixels) & rows(pixels)


def test_random_draws_are_split_by_their_hash_and_no_others(place: Place) -> None:
    drawn, labels = place.some(0, 100)
    place.serve(drawn, labels, drawn="random")
    volunteered, more = place.some(100, 100)
    place.serve(volunteered, more, prefix="v")
    data = made(place)
    assert 15 < len(data.production) < 45
    assert rows(data.production.pixels) <= rows(drawn)
    assert not rows(data.production.pixels) & rows(data.train.pixels)


def test_the_split_does_not_change_as_records_come(place: Place) -> None:
    place.serve(*place.some(0, 80), drawn="random")
    before = made(place)
    place.serve(*place.some(80, 80), drawn="random", prefix="later", at=LATER)
    after = made(place)
    assert rows(before.production.pixels) <= rows(after.production.pixels)
    assert not rows(before.train.pixels) & rows(after.production.pixels)


def test_nothing_that_is_trained_on_is_near_what_is_held_out(place: Place) -> None:
    """Images of the holdout itself, nearly these, and copies of random draws come as records."""
    held = frozen_pixels(place)[:40]
    near = np.clip(held.astype(int) + 1, 0, 255).astype(np.uint8)
    place.serve(held, [0] * 40, prefix="held")
    place.serve(near, [0] * 40, prefix="near")
    drawn, labels = place.some(0, 60)
    place.serve(drawn, labels, drawn="random", prefix="drawn")
    again = np.clip(drawn.astype(int) + 2, 0, 255).astype(np.uint8)
    place.serve(again, labels, prefix="again", at=LATER)
    data = made(place)
    likeness = Likeness.of(frozen_pixels(place), DIGITS)
    for holdout in (data.frozen, data.production):
        assert len(holdout)
        assert not likeness.among(data.train.pixels, holdout.pixels).any()
    out = names(data, "near a held-out image")
    assert {f"held-{row}" for row in range(40)} | {f"near-{row}" for row in range(40)} <= out
    assert any(name.startswith("again") for name in out)


def test_copies_count_once(place: Place) -> None:
    pixels, labels = place.some(0, 10)
    place.serve(pixels, labels, prefix="first")
    place.serve(pixels, labels, prefix="second", at=LATER)
    own = place.store.training_images.read("clf", place.champion.version)
    assert own is not None
    known = [row for row, side in enumerate(own.sides) if side == "train"][:5]
    place.serve(own.pixels[known], [int(own.labels[row]) for row in known], prefix="own")
    duplicates = names(made(place), "duplicate")
    assert duplicates == {f"second-{row}" for row in range(10)} | {f"own-{row}" for row in range(5)}


def test_conflicting_labels_are_left_out(place: Place) -> None:
    pixels, labels = place.some(0, 3)
    first, second, third = place.serve(pixels, labels)
    other = [NewLabel(first, (labels[0] + 1) % 10, source="ada")]  # type: ignore[operator]
    add(place.database, other, lambda _model: range(10))
    wrong = (int(labels[1]) + 1) % 10
    place.serve(pixels[1:2], [wrong], prefix="again")
    out = names(made(place), "conflicting labels")
    assert out == {first, second, "again-0"}
    assert third not in out


def test_blank_and_unreadable_images_are_left_out(place: Place) -> None:
    items = [
        NewLabel("blank", 8, "clf", flat()),
        NewLabel("broken", 8, "clf", b"no image"),
    ]
    add(place.database, items, lambda _model: range(10))
    data = made(place)
    assert names(data, "blank") == {"blank"}
    assert names(data, "unreadable") == {"broken"}


def test_new_classes_are_reported_and_taken_in_if_asked_for(place: Place) -> None:
    pixels, _ = place.some(0, 14)
    place.serve(pixels[:12], [10] * 12)
    place.serve(pixels[12:], [11] * 2, prefix="few")
    data = made(place)
    assert data.new_classes == {10: 12, 11: 2}
    assert len(names(data, "new class")) == 14
    assert 10 not in data.train.labels
    data = made(place, accept_new_classes=True)
    assert 10 in data.train.labels
    assert 11 not in data.train.labels
    assert names(data, "new class") == {"few-0", "few-1"}
    assert data.frozen.counts["10"] >= 1
    assert "classes: 10 (12), taken in; 11 (2), left out all the same." in " ".join(summary(data))
    assert not rows(data.frozen.pixels) & rows(data.train.pixels)


def test_a_class_with_too_few_images_says_what_was_left_out_of_it(place: Place) -> None:
    own = place.store.training_images.read("clf", place.champion.version)
    assert own is not None
    nines = [
        row
        for row, (side, label) in enumerate(zip(own.sides, own.labels, strict=True))
        if (side, label) == ("train", 9)
    ]
    # The same images, labelled otherwise: all but one.
    place.serve(own.pixels[nines[1:]], [3] * (len(nines) - 1))
    with pytest.raises(PipelineError) as caught:
        made(place)
    text = str(caught.value)
    assert text.startswith(f"Class 9 of {place.champion.tag} has 1 image to train on, but needs")
    assert f"left out: {len(nines) - 1} (conflicting labels)" in text


def test_labels_of_another_type_are_never_taken_in(place: Place) -> None:
    pixels, _ = place.some(0, 10)
    place.serve(pixels, ["cat"] * 10)
    data = made(place, accept_new_classes=True)
    assert len(names(data, "new class")) == 10
    assert data.train.labels == place.champion.manifest.labels


def test_wrong_labels_are_found_and_kept_aside(place: Place) -> None:
    pixels, labels = place.some(0, 60)
    wrong = [(int(label) + 1) % 10 if row < 6 else int(label) for row, label in enumerate(labels)]
    place.serve(pixels, [*wrong])
    data = made(place)
    found = names(data, "suspected label error")
    assert len(found & {f"r-{row}" for row in range(6)}) >= 5
    aside = [row for row, side in enumerate(data.images.sides) if side == "aside"]
    assert len(aside) == len(found)


def test_it_is_bounded_and_balanced(place: Place) -> None:
    place.serve(*place.some(0, 200), at=LATER)
    data = made(place, Rules(max_images=100))
    assert len(data.train) + len(names(data, "suspected label error")) == 100
    assert max(data.train.counts.values()) <= 10
    assert data.from_records > 60  # of the 100; by their age alone it would be all of them


def test_records_say_where_they_came_from(place: Place) -> None:
    pixels, labels = place.some(0, 20)
    place.serve(pixels, labels, drawn="random")
    data = made(place)
    recorded = {
        sha256(one.image or b"").hexdigest() for one in window(place.database, "clf", limit=None)
    }
    assert data.images.sources is not None
    assert set(data.images.sources) - {""} <= recorded
    assert data.images.sides.count("holdout") == len(data.frozen) + len(data.production)


def test_a_version_without_training_images_says_what_is_missing(place: Place) -> None:
    imported = place.store.save(LinearDraft())
    with pytest.raises(PipelineError, match=f"training images of {imported.tag} are not here") as e:
        assemble(place.database, place.store, imported)
    assert "with python -m train --data FOLDER --name clf --image-spec digits, and" in str(e.value)


def test_the_whole_has_both_sides_under_one_name(place: Place) -> None:
    place.serve(*place.some(0, 60), drawn="random")
    data = made(place)
    parts, whole = data.split("retraining 7")
    assert whole.name == "retraining 7"
    assert len(parts.holdout) == len(data.frozen) + len(data.production)
    assert len(whole) == len(parts.train) + len(parts.holdout)
