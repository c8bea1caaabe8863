"""What is labelled, asked for, or could be."""

from datetime import UTC, datetime, timedelta

from records.database import Database
from records.labelled import (
    asked_since,
    labelled_since,
    newest_labelled,
    not_asked,
    open_requests,
)
from records.requests import ask
from records.windows import window
from tests.records.rows import NOON, keep, label, row

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def ids(database: Database) -> dict[str, int]:
    return {one.request_id: one.id for one in window(database, "clf", origins=(), status=None)}


def test_the_newest_with_a_label_whatever_they_came_from(database: Database) -> None:
    for minutes, name in enumerate(("old", "none", "new", "disputed")):
        keep(database, row(name, minutes=minutes))
    for name in ("old", "new", "disputed"):
        label(database, name, 8)
    label(database, "disputed", 3, source="ada")
    label(database, "sent", 8, model="clf", image=b"an image")
    known = ids(database)
    assert newest_labelled(database, "clf", 10) == sorted(
        known[name] for name in ("old", "new", "disputed", "sent")
    )
    newest = {name for name, id_ in known.items() if id_ in newest_labelled(database, "clf", 2)}
    assert newest == {"new", "disputed"}
    assert newest_labelled(database, "other", 10) == []


def test_a_prediction_counts_once_however_many_labels_it_got(database: Database) -> None:
    keep(database, row("1"), row("2"))
    label(database, "1", 8)
    label(database, "1", 3, source="ada")
    label(database, "2", 3)
    assert labelled_since(database, "clf", LONG_AGO) == 2
    assert labelled_since(database, "clf", datetime.now(UTC) + timedelta(days=1)) == 0


def test_requests_are_counted_by_how_they_were_drawn(database: Database) -> None:
    keep(database, row("1"), row("2"), row("3"))
    known = ids(database)
    ask(database, [known["1"], known["2"]], "random")
    ask(database, [known["3"]], "monitor")
    assert asked_since(database, "clf", "random", LONG_AGO) == 2
    assert asked_since(database, "clf", "monitor", LONG_AGO) == 1
    assert asked_since(database, "other", "random", LONG_AGO) == 0


def test_only_what_can_be_looked_at_is_asked_for(database: Database) -> None:
    keep(
        database,
        row("fine"),
        row("asked"),
        row("labelled"),
        row("no image", image=None),
        row("rejected", status=400),
        row("other version", version="clf:b"),
        row("later", minutes=90),
    )
    label(database, "labelled", 8)
    known = ids(database)
    ask(database, [known["asked"]], "monitor")
    found = not_asked(database, "clf", "clf:a", NOON, NOON + timedelta(hours=1))
    assert found == [known["fine"], known["labelled"]]


def test_a_request_is_open_until_its_label_comes(database: Database) -> None:
    keep(database, row("1"), row("2"))
    ask(database, list(ids(database).values()), "random")
    label(database, "1", 8)
    assert [(one.request_id, one.drawn) for one in open_requests(database, "clf")] == [
        ("2", "random")
    ]
