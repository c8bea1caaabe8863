"""Up from version 0.1, whose database is a file of the tests, and back to it."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from errors import SchemaError
from records.backup import back_up, restore
from records.champions import promote
from records.database import Database
from records.reports import latest
from records.schema import REVISION
from records.stats import Stats, stats
from records.windows import window
from tests.records.rows import NOON, keep, label, row
from tests.servers import ROOT

# Written by the code of version 0.1: 13 predictions, three images, three labels, counts of 241
# requests, a report.
OLD = ROOT / "tests" / "data" / "records-0.1.db"


@pytest.fixture
def old(tmp_path: Path) -> Path:
    return Path(shutil.copy(OLD, tmp_path / "old.db"))


@pytest.fixture
def upgraded(old: Path) -> Iterator[Database]:
    with Database(f"sqlite:///{old}") as database:
        database.prepare()
        yield database


def counts(found: Stats) -> list[object]:
    return [replace(one, first=None, last=None) for one in found.models]


def written_by_old_code(file: Path) -> None:
    """Each row of version 0.1 once more, with the columns that it knew."""
    with closing(sqlite3.connect(OLD)) as source, closing(sqlite3.connect(file)) as target:
        for table in ("predictions", "labels", "reports"):
            found = source.execute(f"SELECT * FROM {table}")  # noqa: S608
            names = [column[0] for column in found.description]
            columns = ", ".join(names[1:])
            marks = ", ".join("?" * (len(names) - 1))
            target.executemany(
                f"INSERT INTO {table} ({columns}) VALUES ({marks})",  # noqa: S608
                [values[1:] for values in found],
            )
        target.commit()


def test_a_command_says_what_to_do_with_the_old_one(old: Path) -> None:
    with (
        Database(f"sqlite:///{old}") as database,
        pytest.raises(SchemaError, match=r"has schema 0001, but \d+ is needed: run python -m rec"),
    ):
        database.check()


def test_upgrading_keeps_all_of_it(upgraded: Database) -> None:
    assert upgraded.revision() == REVISION
    (found,) = stats(upgraded).models
    assert (found.requests, found.kept, found.rejected) == (241, 13, 1)
    assert (found.images, found.labelled, found.conflicts) == (3, 2, 1)
    (report,) = latest(upgraded)
    assert (report.kind, report.state) == ("drift", "alarm")
    assert len(window(upgraded, "clf", start=NOON)) == 12


def test_new_code_writes_into_it(upgraded: Database) -> None:
    keep(upgraded, row("new"))
    label(upgraded, "new", 3)
    promote(upgraded, "clf", "b", actor="ann", because="better", answering="a")
    assert stats(upgraded).models[0].labelled == 3


def test_old_code_may_go_on_writing_into_it(upgraded: Database, old: Path) -> None:
    with closing(sqlite3.connect(old)) as connection:
        (oldest,) = connection.execute("SELECT version_num FROM records_version").fetchone()
    # What version 0.1 looks at: it refuses any other.
    assert oldest == "0001"
    written_by_old_code(old)
    assert stats(upgraded).models[0].kept == 26


def test_a_backup_of_it_is_brought_up_to_date(old: Path, tmp_path: Path) -> None:
    with Database(f"sqlite:///{old}") as source:
        back_up(source, tmp_path / "saved.db")
        assert source.revision() == "0001"
        with Database(f"sqlite:///{tmp_path}/new.db", create=True) as database:
            restore(database, tmp_path / "saved.db")
            assert database.revision() == REVISION
            source.prepare()
            assert counts(stats(database)) == counts(stats(source))


def test_old_code_may_write_into_a_backup_of_the_new(upgraded: Database, tmp_path: Path) -> None:
    keep(upgraded, row("new"))
    saved = tmp_path / "saved.db"
    back_up(upgraded, saved)
    written_by_old_code(saved)
    with Database(f"sqlite:///{saved}") as back:
        assert stats(back).models[0].kept == 27
