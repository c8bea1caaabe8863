"""A number as it is read several times a second."""

import sqlite3
from pathlib import Path

import pytest

from errors import DatabaseError, SchemaError
from records.database import Database
from records.number import read_number


def test_a_number(database: Database) -> None:
    assert read_number(database, "SELECT 3") == 3


def test_where_there_is_none_it_is_zero(database: Database) -> None:
    assert read_number(database, "SELECT max(id) FROM decisions") == 0


def test_a_table_that_is_not_there(database: Database) -> None:
    with pytest.raises(SchemaError, match="lacks a table: run python -m records migrate"):
        read_number(database, "SELECT max(id) FROM missing")


def test_a_file_that_is_gone(migrated_file: Path, tmp_path: Path) -> None:
    file = tmp_path / "records.db"
    file.write_bytes(migrated_file.read_bytes())
    with Database(f"sqlite:///{file}") as database:
        assert read_number(database, "SELECT max(id) FROM decisions") == 0
        file.unlink()
        with pytest.raises(DatabaseError, match="There is no database at"):
            read_number(database, "SELECT max(id) FROM decisions")


def test_a_file_that_cannot_be_opened(tmp_path: Path) -> None:
    (tmp_path / "records.db").mkdir()
    with (
        Database(f"sqlite:///{tmp_path}/records.db") as database,
        pytest.raises(DatabaseError, match="its file cannot be opened"),
    ):
        read_number(database, "SELECT 3")


def test_it_holds_up_no_writer(migrated_file: Path, tmp_path: Path) -> None:
    """Nothing of the reading is left on its connection."""
    file = tmp_path / "records.db"
    file.write_bytes(migrated_file.read_bytes())
    with Database(f"sqlite:///{file}") as database:
        read_number(database, "SELECT max(id) FROM decisions")
        with sqlite3.connect(file, timeout=0) as other:
            other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            other.execute("BEGIN EXCLUSIVE")
        other.close()
