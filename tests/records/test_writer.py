from dataclasses import fields, replace
from datetime import datetime, timedelta, timezone

import pytest
from sqlalchemy import func, select

from errors import CommitLostError, DatabaseError, RecordsError
from records.database import Database
from records.prediction import KeptPrediction, Label
from records.routing import Pair
from records.schema import images, labels, predictions, traffic
from records.traffic import TrafficKey
from records.traffic import traffic as traffic_rows
from records.windows import latest_at, window
from records.writer import committed, write
from tests.databases import Postgres
from tests.lossy import lossy
from tests.records.processes import hammer, together
from tests.records.rows import NOON, ROW, keep, row
from tests.waiting import until

KEY: TrafficKey = (NOON, "clf", "clf:a", "champion", "status", "200")


def test_a_prediction_is_read_as_it_was_written(database: Database) -> None:
    keep(database, ROW)
    (found,) = window(database, "clf")
    for name in ("request_id", "model", "version", "role", "at", "status", "reason", "label"):
        assert getattr(found, name) == getattr(ROW, name), name
    for name in ("confidence", "probabilities", "weight", "image", "origin"):
        assert getattr(found, name) == getattr(ROW, name), name
    assert (found.truth, found.conflict, found.labels) == (None, False, ())


def test_a_kept_prediction_and_its_table_have_the_same_fields() -> None:
    names = {field.name for field in fields(KeptPrediction)}
    columns = {column.name for column in predictions.columns}
    assert names - columns == {"image", "pair"}
    assert columns - names == {"id", "image_bytes"}


def test_a_pair_is_read_as_it_was_written(database: Database) -> None:
    pair = Pair(
        rollout_id=3,
        version="clf:b",
        role="challenger",
        label=3,
        probabilities=b"\x00\x00\x40?\x00\x00\x80>",
        seconds=0.004,
        differ=True,
    )
    failed = replace(pair, label=None, probabilities=None, failure="it raised", differ=None)
    keep(database, row("1", pair=pair), row("2"), row("3", pair=failed))
    assert [one.pair for one in window(database, "clf")] == [pair, None, failed]


def test_a_rejected_image_has_a_reason_and_no_label(database: Database) -> None:
    rejected = row(status=400, reason="it is truncated", label=None, probabilities=None)
    keep(database, rejected)
    assert window(database, "clf") == []
    (found,) = window(database, "clf", status=None)
    assert (found.status, found.reason, found.label) == (400, "it is truncated", None)


def test_images_belong_to_their_rows(database: Database) -> None:
    rows = [row(str(i), image=None if i % 3 == 0 else b"%d" % i) for i in range(2500)]
    keep(database, *rows)
    found = window(database, "clf", limit=None)
    assert [(one.request_id, one.image) for one in found] == [
        (one.request_id, one.image) for one in rows
    ]


def test_an_empty_image_is_none(database: Database) -> None:
    keep(database, row(image=b""))
    assert window(database, "clf")[0].image is None


@pytest.mark.parametrize(
    "text",
    [
        "a\x00b",
        "\x1a",
        "\x1a0000",
        "half \ud83d a pair",
        "'; DROP TABLE predictions; --",
        '%s %(x)s :x "\\',
        "日本語 🐈",
        "x" * 128,
        "\x00" * 128,
        "\U0001f408" * 128,
    ],
)
def test_any_text_comes_back(database: Database, text: str) -> None:
    keep(database, row(text, version=text, reason=text, label=text))
    write(database, [], {(NOON, "clf", text, "champion", "label", text): 1})
    (found,) = window(database, "clf")
    assert (found.request_id, found.version, found.reason, found.label) == (text,) * 4
    (counted,) = traffic_rows(database, "clf")
    assert (counted.version, counted.key) == (text, text)


@pytest.mark.parametrize("label", [0, -1, 8, "8", "", "null", 2**63, -(10**40)])
def test_a_label_keeps_its_type(database: Database, label: Label) -> None:
    keep(database, row(label=label))
    (found,) = window(database, "clf")
    assert found.label == label
    assert type(found.label) is type(label)


def test_moments_are_the_same_in_any_time_zone(database: Database) -> None:
    kathmandu = timezone(timedelta(hours=5, minutes=45))
    at = datetime(2030, 1, 31, 17, 44, 59, 123456, tzinfo=kathmandu)
    keep(database, row("before", at=at), row("noon"))
    assert [one.request_id for one in window(database, "clf", end=NOON)] == ["before"]
    assert [one.request_id for one in window(database, "clf", start=NOON)] == ["noon"]
    assert window(database, "clf")[0].at == at
    assert str(latest_at(database, "clf")) == "2030-01-31 12:00:00+00:00"


@pytest.mark.parametrize(
    "changes",
    [
        {"at": NOON.replace(tzinfo=None)},
        {"status": 2**70},
        {"request_id": "x" * 129},
        {"label": True},
        {"label": 1.5},
        {"label": 10**5000},
        {"request_id": None},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_what_can_never_be_stored_is_not_retried(
    database: Database, changes: dict[str, object]
) -> None:
    wrong = row(**({"request_id": "2"} | changes))  # type: ignore[arg-type]
    with pytest.raises(RecordsError) as caught:
        write(database, [row("1"), wrong], {KEY: 1})
    assert type(caught.value) is RecordsError
    assert "\n" not in str(caught.value)
    assert window(database, "clf") == []
    assert traffic_rows(database, "clf") == []


def test_counts_add_up(database: Database) -> None:
    other = (*KEY[:5], "400")
    write(database, [], {KEY: 3, other: 1})
    write(database, [], {KEY: 4})
    found = {one.key: one.count for one in traffic_rows(database, "clf")}
    assert found == {"200": 7, "400": 1}


def test_nothing_to_write_needs_no_database() -> None:
    with Database("sqlite:////nowhere/at/all.db") as nowhere:
        write(nowhere, [], {})


def test_four_processes_write_exact_counts(database: Database) -> None:
    url = database.url.render_as_string(hide_password=False)
    together(hammer, [(url, number, 600) for number in range(4)])
    with database.reading() as connection:
        counted = [
            connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in (predictions, images, labels)
        ]
        requests = connection.execute(select(func.sum(traffic.c.count))).scalar_one()
        shared = connection.execute(
            select(func.count(labels.c.id.distinct())).where(labels.c.request_id == "shared")
        ).scalar_one()
    # All four also labelled one more prediction, at the same time: only the first created it.
    assert counted == [2401, 2401, 2401]
    assert (requests, shared) == (2401, 1)


@pytest.mark.parametrize("reached", [True, False], ids=["lost answer", "lost commit"])
def test_a_commit_that_nobody_heard_of_can_be_asked_about(
    postgres: Postgres, reached: bool
) -> None:
    url = postgres.database()
    with (
        Database(url) as direct,
        lossy(url, postgres.folder, postgres.folder) as (through, proxy),
        Database(through) as database,
    ):
        direct.prepare()
        keep(database, row("before"))
        (proxy.lose if reached else proxy.cut).set()
        with pytest.raises(CommitLostError) as lost:
            write(database, [row("1")], {KEY: 2})
        transaction = lost.value.transaction
        assert until(lambda: ended(database, transaction)) == [reached]
        assert len(window(direct, "clf")) == 1 + reached


def ended(database: Database, transaction: int) -> list[bool]:
    """Whether it was committed, once it has ended."""
    try:
        return [committed(database, transaction)]
    except DatabaseError:
        return []
