import random
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256

import pytest
from sqlalchemy import func, select

from errors import RecordsError
from records.database import Database
from records.reports import history, save
from records.requests import ask
from records.retention import Deleted, Pruned, delete, image_digests, prune
from records.routing import Pair
from records.schema import metadata
from records.stats import stats
from records.traffic import traffic
from records.usage import used_bytes
from records.windows import window
from records.writer import write
from tests.records.rows import NOON, keep, label, row
from tests.records.test_reports import REPORT

# What no limit of the records deletes.
FOR_GOOD = {
    "aliases", "audit", "budgets", "decisions", "key_usage", "keys", "leases", "notices",
    "retrainings", "rollouts", "verdicts", "workers",
}  # fmt: skip
PAIR = Pair(
    rollout_id=1, version="clf:b", role="challenger", label=3, probabilities=None, seconds=0.1
)


def kept(database: Database) -> list[str]:
    return [one.request_id for one in window(database, "clf", limit=None, status=None)]


def counts(database: Database) -> dict[str, int]:
    with database.reading() as connection:
        return {
            name: connection.execute(select(func.count()).select_from(table)).scalar_one()
            for name, table in metadata.tables.items()
            if name not in FOR_GOOD
        }


def test_old_predictions_go_with_all_that_belongs_to_them(database: Database) -> None:
    for hours in range(4):
        keep(database, row(str(hours), minutes=60 * hours, pair=PAIR))
        ask(database, [hours + 1], "random")
        label(database, str(hours), 3)
        at = NOON + timedelta(hours=hours)
        write(database, [], {(at, "clf", "v", "champion", "status", "200"): 1})
        save(database, replace(REPORT, at=at))
    now, age = NOON + timedelta(hours=4), timedelta(hours=2)
    assert prune(database, age, labelled=True, now=now) == Pruned(2, 16, 2, 2)
    assert kept(database) == ["2", "3"]
    assert set(counts(database).values()) == {2}
    assert len(traffic(database)) == len(history(database)) == 2
    assert prune(database, age, labelled=True, now=now) == Pruned(0, 0, 0, 0)


def test_what_has_a_label_stays_unless_told(database: Database) -> None:
    keep(database, *[row(str(number), minutes=number) for number in range(120)])
    for number in range(0, 60, 2):
        label(database, str(number), 3)
    told: list[int] = []
    assert prune(database, max_rows=60, progress=told.append) == Pruned(60, 480, 0, 0, kept=30)
    # Thirty that are newer went instead.
    assert kept(database) == [*map(str, range(0, 60, 2)), *map(str, range(90, 120))]
    assert told[-1] == 60
    assert prune(database, max_rows=0).kept == 30
    assert prune(database, max_rows=0, labelled=True).rows == 30


def test_traffic_of_many_days_goes_too(database: Database) -> None:
    days = [NOON + timedelta(days=day) for day in (0, 1, 9, 10)]
    write(database, [], {(day, "clf", "v", "champion", "status", "200"): 1 for day in days})
    assert prune(database, timedelta(days=1), now=days[-1]).traffic == 2
    assert [one.minute for one in traffic(database)] == days[2:]


def test_a_duration_beyond_the_calendar_deletes_nothing(database: Database) -> None:
    keep(database, row())
    assert prune(database, timedelta.max).rows == 0


def test_the_newest_rows_stay_by_time_and_not_by_id(database: Database) -> None:
    minutes = list(range(1200))
    random.Random(0).shuffle(minutes)
    keep(database, *[row(str(minute), minutes=minute) for minute in minutes])
    assert prune(database, max_rows=100).rows == 1100
    assert sorted(map(int, kept(database))) == list(range(1100, 1200))


def test_no_rows_at_all_may_stay(database: Database) -> None:
    keep(database, row("1"), row("2"))
    assert prune(database, max_rows=0).rows == 2
    assert set(counts(database).values()) == {0}


def test_bytes_are_limited_and_the_space_is_freed(database: Database) -> None:
    image = random.Random(0).randbytes(20_000)
    keep(database, *[row(str(i), minutes=i, image=image) for i in range(300)])
    before = stats(database).bytes
    assert used_bytes(database) > 6_000_000
    prune(database, max_bytes=2_000_000)
    assert 1_800_000 < used_bytes(database) <= 2_000_000
    assert 60 < len(kept(database)) < 100
    assert kept(database)[-1] == "299"
    if database.dialect == "sqlite":
        assert stats(database).bytes < 2_200_000 < 6_000_000 < before
    else:
        # The space is used for new rows: as many again make the database no larger.
        keep(database, *[row(str(i), image=image) for i in range(200)])
        assert stats(database).bytes <= before * 1.05


def test_a_limit_below_the_size_of_an_empty_database_ends(database: Database) -> None:
    keep(database, row("1"))
    save(database, REPORT)
    assert prune(database, max_bytes=0).rows == 1


@pytest.mark.parametrize(
    "limits", [{"older_than": timedelta(-1)}, {"max_rows": -1}, {"max_bytes": -1}], ids=str
)
def test_a_negative_limit_is_refused(database: Database, limits: dict[str, object]) -> None:
    keep(database, row())
    with pytest.raises(RecordsError, match="negative"):
        prune(database, **limits)  # type: ignore[arg-type]
    assert kept(database) == ["1"]


def test_others_write_while_old_rows_go(database: Database) -> None:
    keep(database, *[row(str(i)) for i in range(700)])
    with database.reading() as connection:
        # An open read transaction does not prevent it.
        connection.execute(select(1))
        assert prune(database, max_rows=10).rows == 690
    keep(database, row("new"))
    assert len(kept(database)) == 11


def test_a_request_is_deleted_everywhere(database: Database) -> None:
    odd = "'; --\x00"
    keep(database, row(odd), row(odd, model="m"), row("other"), row("x" + odd))
    label(database, odd, 3, model="clf")
    label(database, odd, 8, model="clf", source="ann")
    label(database, "other", 8)
    assert delete(database, odd) == Deleted(2, 2, 2, 16, traceless=True)
    assert kept(database) == ["other", "x" + odd]
    assert (counts(database)["images"], counts(database)["labels"]) == (2, 1)
    assert delete(database, odd).predictions == 0


def test_a_request_is_deleted_of_one_model(database: Database) -> None:
    keep(database, row("1"), row("1", model="m"))
    assert delete(database, "1", "m").predictions == 1
    assert kept(database) == ["1"]


def test_nothing_of_a_deleted_image_is_left_in_the_files(database: Database) -> None:
    if database.file is None:
        pytest.skip("PostgreSQL's files are its own")
    secrets = [b"a face" * 10, b"another face" * 2000]
    keep(database, *[row("1", image=secret, reason=secret[:20].decode()) for secret in secrets])
    keep(database, row("2"))

    def files() -> bytes:
        assert database.file
        return b"".join(path.read_bytes() for path in sorted(database.file.parent.iterdir()))

    assert b"a face" in files()
    assert delete(database, "1").traceless
    assert b"face" not in files()


def test_a_reader_that_blocks_the_log_is_reported(database: Database) -> None:
    if database.file is None:
        pytest.skip("PostgreSQL's files are its own")
    keep(database, row("1"))
    with Database(database.url, timeout=0.05) as impatient:
        with database.reading() as connection:
            connection.execute(select(metadata.tables["images"])).all()
            assert not delete(impatient, "1").traceless
        assert delete(impatient, "1").traceless


def test_the_images_of_a_request_are_named_by_their_digests(database: Database) -> None:
    keep(database, row("1"), row("1", model="other", image=b"another"), row("2", image=b"third"))
    assert image_digests(database, "1") == {
        sha256(content).hexdigest() for content in (b"an image", b"another")
    }
    assert image_digests(database, "1", "other") == {sha256(b"another").hexdigest()}
    assert image_digests(database, "3") == frozenset()
