"""The database: available, unavailable, and available again."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from errors import DatabaseError, RecordsError, SchemaError, SettingsError
from serving.recording.connection import RecordsConnection, prepare
from settings import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home")


@pytest.fixture
def records(settings: Settings) -> Iterator[RecordsConnection]:
    records = RecordsConnection(settings)
    yield records
    records.close()


def test_a_new_database_is_prepared(settings: Settings, records: RecordsConnection) -> None:
    with records.open() as database:
        database.check()
    assert (settings.home / "records.db").exists()


def test_a_deleted_database_is_created_again(
    settings: Settings, records: RecordsConnection
) -> None:
    with records.open():
        pass
    for file in settings.home.iterdir():
        file.unlink()
    with pytest.raises(RecordsError), records.open() as database, database.writing():
        pass
    with records.open() as database:
        database.check()


def test_an_unavailable_database_is_not_retried_immediately(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    home = tmp_path / "home"
    home.write_text("a file where the folder should be")
    records = RecordsConnection(Settings(home=home))
    for _ in range(3):
        with pytest.raises(DatabaseError), records.open():
            pass
    assert len(caplog.messages) == 1


def test_a_server_starts_without_its_database(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file where the folder should be")
    prepare(Settings(home=tmp_path / "home"))


def test_a_server_does_not_start_with_another_schema(settings: Settings) -> None:
    prepare(settings)
    with sqlite3.connect(settings.home / "records.db") as connection:
        [(name,)] = connection.execute("select name from sqlite_master where name like '%version'")
        connection.execute(f"update {name} set version_num = '9999'")  # noqa: S608
    connection.close()
    with pytest.raises(SchemaError, match="newer Pupila"):
        prepare(settings)


def test_where_records_are_required_there_is_no_start_without(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "records.db").mkdir()
    prepare(Settings(home=tmp_path / "home"))
    with pytest.raises(RecordsError, match="PUPILA_REQUIRE_RECORDS is true, and no records can be"):
        prepare(Settings(home=tmp_path / "home", require_records=True))


def test_required_records_are_written_once(tmp_path: Path) -> None:
    """On a full disk, all but that succeeds."""
    prepare(Settings(home=tmp_path / "home", require_records=True))
    connection = sqlite3.connect(tmp_path / "home" / "records.db")
    assert connection.execute("SELECT count(*) FROM workers").fetchone() == (0,)
    connection.close()


def test_records_cannot_be_both_required_and_off(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="PUPILA_REQUIRE_RECORDS is true, but PUPILA_RECORD is"):
        prepare(Settings(home=tmp_path / "home", require_records=True, record=False))
