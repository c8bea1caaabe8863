"""How images were chosen to be labelled."""

from records.database import Database
from records.requests import ask
from records.windows import window
from tests.records.rows import keep, label, row


def test_a_label_says_how_its_image_was_drawn(database: Database) -> None:
    keep(database, row("asked"), row("volunteered"), row("unlabelled"))
    asked = window(database, "clf")[0]
    assert ask(database, [asked.id], "random") == 1
    for request_id in ("asked", "volunteered"):
        label(database, request_id, 8)
    drawn = {record.request_id: record.drawn for record in window(database, "clf")}
    assert drawn == {"asked": "random", "volunteered": "volunteered", "unlabelled": None}


def test_the_first_who_asks_counts(database: Database) -> None:
    keep(database, row("1"), row("2"))
    first, second = window(database, "clf")
    assert ask(database, [first.id], "monitor") == 1
    assert ask(database, [first.id, second.id], "rollout", 7) == 1
    label(database, "1", 8)
    label(database, "2", 8)
    assert [record.drawn for record in window(database, "clf")] == ["monitor", "rollout"]


def test_what_was_labelled_before_a_rollout_asked_for_it_was_volunteered(
    database: Database,
) -> None:
    keep(database, row("1"))
    label(database, "1", 8)
    [record] = window(database, "clf")
    ask(database, [record.id], "rollout", 7)
    label(database, "1", 3)
    assert window(database, "clf")[0].drawn == "volunteered"


def test_what_is_drawn_at_random_is_random_though_its_label_was_volunteered(
    database: Database,
) -> None:
    """Without it, the sample would lack what people complained of, and look too good."""
    keep(database, row("1"))
    label(database, "1", 8)
    [record] = window(database, "clf")
    ask(database, [record.id], "random")
    assert window(database, "clf")[0].drawn == "random"
