from dataclasses import replace
from datetime import timedelta

from records.database import Database
from records.traffic import TrafficKey, traffic
from records.windows import latest_at, models, start_of_newest, window
from records.writer import write
from tests.records.rows import NOON, ROW, keep, label, row


def test_a_window_includes_its_start_and_not_its_end(database: Database) -> None:
    keep(database, *[row(str(minute), minutes=minute) for minute in range(6)])
    found = window(
        database, "clf", start=NOON + timedelta(minutes=1), end=NOON + timedelta(minutes=4)
    )
    assert [one.request_id for one in found] == ["1", "2", "3"]


def test_a_window_is_of_one_model_version_role_and_origin(database: Database) -> None:
    others = [row(model="m"), row(version="v"), row(role="shadow"), row(origin="import")]
    keep(database, ROW, *others)
    assert len(window(database, "clf")) == 3
    assert len(window(database, "clf", version="clf:a", role="champion")) == 1
    assert len(window(database, "clf", origins=["import"])) == 1
    assert len(window(database, "clf", origins=[])) == 4


def test_a_large_window_is_sampled_the_same_for_the_same_seed(database: Database) -> None:
    keep(database, *[row(str(number)) for number in range(300)])
    samples = [window(database, "clf", limit=50, seed=seed) for seed in (0, 0, 1)]
    chosen = [[one.id for one in sample] for sample in samples]
    assert chosen[0] == chosen[1] != chosen[2]
    assert chosen[0] == sorted(set(chosen[0]))
    assert len(chosen[0]) == 50
    # Not the first fifty, nor the last.
    assert max(chosen[0]) - min(chosen[0]) > 200


def test_a_small_window_is_complete(database: Database) -> None:
    keep(database, *[row(str(number)) for number in range(50)])
    assert len(window(database, "clf", limit=50)) == 50
    assert window(database, "clf", limit=0) == []


def test_only_what_is_labelled(database: Database) -> None:
    keep(database, row("1"), row("2"), row("3"))
    label(database, "1", 3)
    label(database, "3", 3, source="ann")
    label(database, "3", 8, source="bob")
    found = window(database, "clf", labelled=True)
    assert [(one.request_id, one.truth, one.conflict) for one in found] == [
        ("1", 3, False),
        ("3", None, True),
    ]


def test_images_can_be_left_out(database: Database) -> None:
    keep(database, ROW)
    (found,) = window(database, "clf", with_images=False)
    assert found == replace(window(database, "clf")[0], image=None)


def test_traffic_is_of_a_model_and_a_time(database: Database) -> None:
    def key(minutes: int, model: str) -> TrafficKey:
        return (NOON + timedelta(minutes=minutes), model, "v", "champion", "latency", "+Inf")

    write(database, [], {key(0, "clf"): 1, key(1, "clf"): 2, key(1, "m"): 4})
    assert [one.count for one in traffic(database, "clf")] == [1, 2]
    assert [one.count for one in traffic(database, "clf", NOON + timedelta(minutes=1))] == [2]
    assert [one.count for one in traffic(database, end=NOON + timedelta(minutes=1))] == [1]
    assert traffic(database, "clf")[0].minute == NOON


def test_models_are_those_with_predictions_or_traffic(database: Database) -> None:
    assert models(database) == []
    keep(database, ROW)
    write(database, [], {(NOON, "busy", "v", "champion", "status", "200"): 1})
    assert models(database) == ["busy", "clf"]


def test_the_latest_is_of_traffic(database: Database) -> None:
    assert latest_at(database, "clf") is None
    keep(database, row(minutes=3), row(minutes=1), row(minutes=9, origin="import"))
    assert latest_at(database, "clf") == NOON + timedelta(minutes=3)
    assert latest_at(database, "clf", "another") is None


def test_the_start_of_the_newest(database: Database) -> None:
    keep(database, *(row(str(minute), minutes=minute) for minute in range(5)))
    keep(database, row("other", minutes=9, version="clf:b"))
    keep(database, row("imported", minutes=9, origin="import"))
    assert start_of_newest(database, "clf", 2, version="clf:a") == NOON + timedelta(minutes=3)
    end = NOON + timedelta(minutes=3)
    assert start_of_newest(database, "clf", 2, end=end) == NOON + timedelta(minutes=1)
    assert start_of_newest(database, "clf", 99) == NOON
    assert start_of_newest(database, "nothing", 9) is None
