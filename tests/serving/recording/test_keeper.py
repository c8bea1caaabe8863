"""Who keeps the budget of the records, and what is said of it."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from records.database import Database
from records.leases import holder
from serving.recording.connection import RecordsConnection
from serving.recording.keeper import LEASE, DiskKeeper
from settings import Settings
from tests.records.rows import keep, row

IMAGE = bytes(10_000)


@pytest.fixture
def chosen(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path, record_disk=1_000_000)


@pytest.fixture
def records(chosen: Settings) -> Iterator[RecordsConnection]:
    records = RecordsConnection(chosen)
    yield records
    records.close()


def fill(records: RecordsConnection) -> None:
    with records.open() as database:
        keep(database, *[row(str(i), minutes=i, image=IMAGE) for i in range(200)])


def value(name: str) -> float:
    return REGISTRY.get_sample_value(name) or 0.0


def test_one_of_several_keeps_it_and_all_know_the_bytes(
    chosen: Settings, records: RecordsConnection
) -> None:
    fill(records)
    first, second = DiskKeeper(chosen, records), DiskKeeper(chosen, records)
    before = value("pupila_record_disk_pruned_bytes_total")
    kept = first.look()
    assert kept is not None
    assert kept.rows > 0
    assert value("pupila_record_disk_pruned_bytes_total") == before + kept.image_bytes
    assert value("pupila_record_disk_budget_bytes") == 1_000_000
    assert second.look() is None
    assert 700_000 < value("pupila_record_disk_bytes") < 950_000
    assert first.look() is not None


async def test_another_takes_over_when_it_ends(
    chosen: Settings, records: RecordsConnection, tmp_path: Path
) -> None:
    keeper = DiskKeeper(chosen, records)
    async with keeper.running():
        keeper.look()
    with Database.of(chosen) as database:
        assert holder(database, LEASE) is None
    assert DiskKeeper(chosen, records).look() is not None


def test_what_was_deleted_is_in_the_log(
    chosen: Settings, records: RecordsConnection, caplog: pytest.LogCaptureFixture
) -> None:
    fill(records)
    DiskKeeper(chosen, records).look()
    assert any(
        "oldest records without a label were deleted" in message for message in caplog.messages
    )


def test_an_older_database_is_warned_about_once_and_not_pruned(
    chosen: Settings, records: RecordsConnection, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    fill(records)
    with closing(sqlite3.connect(tmp_path / "records.db")) as connection, connection:
        connection.execute("delete from budgets")
    keeper = DiskKeeper(chosen, records)
    for _ in range(3):
        kept = keeper.look()
        assert kept is not None
        assert (kept.state, kept.rows) == ("waiting", 0)
    [warning] = [message for message in caplog.messages if "PUPILA_RECORD_DISK" in message]
    assert "nothing is deleted" in warning
    assert "python -m records prune --max-bytes 1000000" in warning
