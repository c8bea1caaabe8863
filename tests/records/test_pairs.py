"""Disagreements of two versions, and who was right."""

from records.database import Database
from records.pairs import LabelCounts, PairCounts, counts, judged, to_label
from records.prediction import Label
from records.requests import ask
from records.routing import Alias, Pair
from records.windows import window
from tests.records.rows import keep, label, row


def pair(
    other: Label | None, *, differ: bool | None = True, role: Alias = "challenger", rollout: int = 1
) -> Pair:
    return Pair(
        rollout_id=rollout,
        version="b",
        role=role,
        label=other,
        probabilities=None,
        seconds=0.001,
        differ=differ,
    )


def disagreeing(database: Database, *request_ids: str) -> None:
    """The champion said 8 and the challenger 3, each for an image of its own."""
    keep(database, *(row(id_, pair=pair(3), image=id_.encode()) for id_ in request_ids))


def ask_all(database: Database) -> int:
    return ask(database, to_label(database, 1, 100), "rollout", 1)


def test_pairs_are_counted_by_outcome(database: Database) -> None:
    disagreeing(database, "1", "2")
    keep(database, row("3", pair=pair(8, differ=False)), row("4", pair=pair(None, differ=None)))
    keep(database, row("5", pair=pair(3, rollout=2)), row("6"))
    assert counts(database, 1) == PairCounts(same=1, differ=2, failed=1, asked=0)
    ask_all(database)
    assert counts(database, 1).asked == 2
    label(database, "1", 8)
    assert counts(database, 1).asked == 1


def test_who_was_right_on_what_was_asked_for(database: Database) -> None:
    disagreeing(database, "win", "loss", "neither", "unlabelled")
    ask_all(database)
    for request_id, truth in (("win", 3), ("loss", 8), ("neither", 5)):
        label(database, request_id, truth)
    assert judged(database, 1) == LabelCounts(wins=1, losses=1, neither=1)
    assert judged(database, 2) == LabelCounts(0, 0, 0)


def test_the_champion_may_be_the_shadow(database: Database) -> None:
    answered = row("1", label=3, role="challenger", pair=pair(8, role="champion"))
    keep(database, answered)
    ask_all(database)
    label(database, "1", 3)
    assert judged(database, 1) == LabelCounts(wins=1, losses=0, neither=0)


def test_a_volunteered_label_counts_for_nobody(database: Database) -> None:
    disagreeing(database, "1")
    label(database, "1", 3)
    assert to_label(database, 1, 100) == []
    [record] = window(database, "clf")
    ask(database, [record.id], "rollout", 1)
    assert judged(database, 1) == LabelCounts(0, 0, 0)


def test_a_label_of_an_image_drawn_at_random_counts(database: Database) -> None:
    disagreeing(database, "1")
    [record] = window(database, "clf")
    ask(database, [record.id], "random")
    label(database, "1", 3)
    assert judged(database, 1) == LabelCounts(wins=1, losses=0, neither=0)


def test_a_label_that_the_monitor_asked_for_counts_for_nobody(database: Database) -> None:
    disagreeing(database, "1")
    [record] = window(database, "clf")
    ask(database, [record.id], "monitor")
    assert to_label(database, 1, 100) == []
    label(database, "1", 3)
    assert judged(database, 1) == LabelCounts(0, 0, 0)


def test_an_image_counts_once_however_often_it_was_sent(database: Database) -> None:
    keep(database, *(row(id_, pair=pair(3), image=b"the same") for id_ in "123"))
    assert len(to_label(database, 1, 100)) == 1
    ids = [record.id for record in window(database, "clf")]
    ask(database, ids, "rollout", 1)
    for id_ in "123":
        label(database, id_, 3)
    assert judged(database, 1) == LabelCounts(wins=1, losses=0, neither=0)


def test_an_image_that_was_asked_for_is_not_asked_for_again(database: Database) -> None:
    keep(database, row("1", pair=pair(3), image=b"the same"))
    assert ask_all(database) == 1
    keep(database, row("2", pair=pair(3), image=b"the same"))
    assert to_label(database, 1, 100) == []


def test_labels_that_contradict_each_other_count_for_nobody(database: Database) -> None:
    disagreeing(database, "1")
    ask_all(database)
    label(database, "1", 3, source="ann")
    label(database, "1", 8, source="bob")
    assert judged(database, 1) == LabelCounts(0, 0, 0)


def test_an_integer_is_not_its_text(database: Database) -> None:
    disagreeing(database, "1")
    ask_all(database)
    label(database, "1", "3")
    assert judged(database, 1) == LabelCounts(wins=0, losses=0, neither=1)


def test_only_so_many_are_named_and_the_oldest_first(database: Database) -> None:
    disagreeing(database, "1", "2", "3")
    ids = [record.id for record in window(database, "clf")]
    assert to_label(database, 1, 2) == ids[:2]
    assert to_label(database, 1, 0) == []


def test_nobody_can_label_an_image_that_was_not_kept(database: Database) -> None:
    keep(database, row("1", pair=pair(3), image=None))
    assert to_label(database, 1, 100) == []
