import contextlib
import signal

import pytest

from errors import RecordsError
from records.database import Database
from records.labels import MAX_PER_PREDICTION, NewLabel, add
from records.prediction import Label
from records.windows import window
from tests.records.processes import label_requests, start
from tests.records.rows import keep, label, row


def truths(database: Database) -> list[Label | None]:
    return [one.truth for one in window(database, "clf", status=None)]


def test_a_label_is_added_to_its_prediction(database: Database) -> None:
    keep(database, row("1"), row("2"))
    outcome = label(database, "2", 3)
    assert (outcome.status, outcome.model, outcome.version) == ("added", "clf", "clf:a")
    assert (outcome.known, outcome.conflict) == (True, False)
    assert truths(database) == [None, 3]


def test_the_same_again_changes_nothing(database: Database) -> None:
    keep(database, row())
    label(database, "1", 3)
    assert label(database, "1", 3).status == "unchanged"
    assert window(database, "clf")[0].labels == (("", 3),)


def test_a_correction_counts(database: Database) -> None:
    keep(database, row())
    label(database, "1", 3)
    outcome = label(database, "1", 8)
    assert (outcome.status, outcome.previous) == ("corrected", 3)
    assert truths(database) == [8]


def test_back_to_the_first_is_a_correction_too(database: Database) -> None:
    keep(database, row())
    assert [label(database, "1", value).status for value in (3, 8, 3)] == [
        "added",
        "corrected",
        "corrected",
    ]
    assert truths(database) == [3]


def test_an_integer_is_not_the_same_label_as_its_digits(database: Database) -> None:
    keep(database, row())
    label(database, "1", 8)
    outcome = label(database, "1", "8")
    assert (outcome.status, outcome.known) == ("corrected", False)
    assert truths(database) == ["8"]


def test_sources_that_disagree_are_both_kept(database: Database) -> None:
    keep(database, row())
    assert not label(database, "1", 3, source="ann").conflict
    assert label(database, "1", 8, source="bob").conflict
    (found,) = window(database, "clf")
    assert (found.truth, found.conflict) == (None, True)
    assert found.labels == (("ann", 3), ("bob", 8))


def test_a_conflict_ends_when_a_source_corrects_its_label(database: Database) -> None:
    keep(database, row())
    label(database, "1", 3, source="ann")
    label(database, "1", 8, source="bob")
    assert not label(database, "1", 8, source="ann").conflict
    assert truths(database) == [8]


@pytest.mark.parametrize(
    ("classes", "expected"), [([3, 8], False), (["cat"], True), (None, None), ([], False)]
)
def test_whether_the_model_knows_the_class_is_kept(
    database: Database, classes: list[Label] | None, expected: bool | None
) -> None:
    keep(database, row())
    assert label(database, "1", "cat", known=classes).known is expected
    assert truths(database) == ["cat"]


def test_an_unknown_request_is_an_outcome(database: Database) -> None:
    keep(database, row("1"))
    items = [NewLabel("2", 3), NewLabel("1", 3), NewLabel("1", 3, model="other")]
    outcomes = add(database, items, lambda _model: None)
    assert [outcome.status for outcome in outcomes] == ["unknown", "added", "unknown"]
    assert [outcome.request_id for outcome in outcomes] == ["2", "1", "1"]


def test_the_newest_prediction_of_a_repeated_id_is_labelled(database: Database) -> None:
    keep(database, row("1", label=0), row("1", label=1))
    label(database, "1", 3)
    assert truths(database) == [None, 3]


def test_the_model_selects_a_prediction(database: Database) -> None:
    keep(database, row("1"), row("1", model="other"))
    assert label(database, "1", 3, model="clf").model == "clf"
    assert label(database, "1", 3).model == "other"
    assert truths(database) == [3]


def test_an_image_makes_a_prediction_that_was_not_kept(database: Database) -> None:
    assert label(database, "9", 3, model="clf", image=b"sent later").status == "added"
    assert window(database, "clf") == []
    (found,) = window(database, "clf", origins=["feedback"])
    assert (found.image, found.truth, found.label) == (b"sent later", 3, None)
    assert (found.weight, found.version, found.status) == (None, "", 200)


def test_the_same_image_twice_is_one_prediction(database: Database) -> None:
    items = [NewLabel("9", value, "clf", b"image") for value in (3, 3, 8)]
    outcomes = add(database, items, lambda _model: None)
    assert [outcome.status for outcome in outcomes] == ["added", "unchanged", "corrected"]
    assert len(window(database, "clf", origins=["feedback"])) == 1


@pytest.mark.parametrize(("model", "image"), [(None, b"image"), ("clf", None), ("clf", b"")])
def test_without_an_image_and_a_model_nothing_is_made(
    database: Database, model: str | None, image: bytes | None
) -> None:
    assert label(database, "9", 3, model=model, image=image).status == "unknown"
    assert window(database, "clf", origins=["feedback"]) == []


def test_an_image_that_was_not_kept_is_kept_now(database: Database) -> None:
    keep(database, row("1", image=None), row("2", image=b"as sent"))
    label(database, "1", 3, image=b"sent later")
    label(database, "1", 3, image=b"sent again")
    label(database, "2", 3, image=b"another")
    assert [one.image for one in window(database, "clf")] == [b"sent later", b"as sent"]


def test_all_or_none(database: Database) -> None:
    keep(database, row("1"), row("2"))
    with pytest.raises(RecordsError):
        add(database, [NewLabel("1", 3), NewLabel("2", 3, source="x" * 129)], lambda _model: None)
    assert truths(database) == [None, None]


@pytest.mark.parametrize("odd", ["a\x00b", "\ud83d", "'\"%;--", "日本語"])
def test_any_text_may_be_an_id_a_label_or_a_source(database: Database, odd: str) -> None:
    keep(database, row(odd))
    assert label(database, odd, odd, source=odd).status == "added"
    assert label(database, odd, odd, source=odd).status == "unchanged"
    assert window(database, "clf")[0].labels == ((odd, odd),)


def test_a_prediction_has_a_limited_number_of_labels(database: Database) -> None:
    keep(database, row("a"))
    flood = [NewLabel("a", 1, source=str(number)) for number in range(MAX_PER_PREDICTION + 5)]
    outcomes = [outcome.status for outcome in add(database, flood, lambda _: None)]
    assert outcomes == ["added"] * MAX_PER_PREDICTION + ["full"] * 5
    flips = [NewLabel("a", number, source="0") for number in (2, 3)]
    assert [outcome.status for outcome in add(database, flips, lambda _: None)] == ["full"] * 2
    assert add(database, [NewLabel("a", 1, source="0")], lambda _: None)[0].status == "unchanged"


def test_a_thousand_labels_in_one_call(database: Database) -> None:
    keep(database, *[row(str(i)) for i in range(1000)])
    outcomes = add(database, [NewLabel(str(i), i) for i in range(1000)], lambda _model: range(500))
    assert {outcome.status for outcome in outcomes} == {"added"}
    assert sum(bool(outcome.known) for outcome in outcomes) == 500
    assert truths(database) == list(range(1000))


def test_every_acknowledged_label_survives_kill_9(database: Database) -> None:
    url = database.url.render_as_string(hide_password=False)
    count = 2000
    keep(database, *[row(str(i)) for i in range(count + 1)])
    process, stored = start(label_requests, url, count)
    acknowledged = {stored.recv() for _ in range(40)}
    process.kill()
    process.join()
    # What it sent before it died counts as well; a message that is cut off does not.
    with contextlib.suppress(EOFError, OSError):
        while True:
            acknowledged.add(stored.recv())
    assert process.exitcode == -signal.SIGKILL
    kept = {one.request_id for one in window(database, "clf", limit=None, labelled=True)}
    assert len(acknowledged) >= 40
    assert acknowledged <= kept
    # The killed process holds no lock.
    assert label(database, str(count), 3).status == "added"
