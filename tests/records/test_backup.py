import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import select, text

from errors import KeysError, RecordsError
from records.audit import acts
from records.backup import back_up, restore
from records.champions import promote, routings
from records.database import Database
from records.key import Key
from records.keys import all_keys, changed_keys, create, revoke
from records.schema import predictions
from records.stats import stats
from tests.databases import Postgres
from tests.records.rows import NOON, keep, label, row


@pytest.fixture
def other(request: pytest.FixtureRequest, database: Database, tmp_path: Path) -> Iterator[Database]:
    """A new database of the same kind, without tables."""
    url = f"sqlite:///{tmp_path}/other/records.db"
    if database.file is None:
        server: Postgres = request.getfixturevalue("postgres")
        url = server.database()
    with Database(url, create=True) as opened:
        yield opened


def ids(database: Database) -> list[str]:
    with database.reading() as connection:
        found = connection.execute(select(predictions.c.request_id).order_by(predictions.c.id))
        return list(found.scalars())


def key(name: str) -> Key:
    return Key(name, os.urandom(32), ("predict",), NOON)


def test_all_of_it_comes_back_in_another_database(
    database: Database, other: Database, tmp_path: Path
) -> None:
    keep(database, *(row(str(number)) for number in range(5)))
    label(database, "2", 3)
    label(database, "3", "a\tb\\.\n\\N é")
    promote(database, "clf", "b", actor="ann", because="better", answering="a")
    create(database, key("app"))
    saved = back_up(database, tmp_path / "saved")
    assert (saved.rows["predictions"], saved.rows["labels"]) == (5, 2)
    assert saved.bytes == (tmp_path / "saved").stat().st_size
    restored = restore(other, tmp_path / "saved")
    assert restored.rows == saved.rows
    other.check()
    assert ids(other) == ["0", "1", "2", "3", "4"]
    assert routings(other) == routings(database)
    assert [one.digest for one in all_keys(other)] == [one.digest for one in all_keys(database)]


def test_an_older_schema_is_brought_up_to_date(
    other: Database, postgres: Postgres, tmp_path: Path
) -> None:
    with Database(
        postgres.database() if other.file is None else f"sqlite:///{tmp_path}/0.db"
    ) as old:
        old.create = True
        old.create_file()
        with old.writing() as connection:
            old.upgrade(connection, "0001")
            connection.execute(
                text(
                    "INSERT INTO traffic (minute, model, version, role, kind, key, count) VALUES "
                    "('2030-01-31 12:00:00', 'clf', 'clf:a', 'champion', 'status', '200', 7)"
                )
            )
        saved = back_up(old, tmp_path / "saved")
    assert (saved.schema, saved.rows["traffic"], "decisions" in saved.rows) == ("0001", 1, False)
    restore(other, tmp_path / "saved")
    other.check()
    assert stats(other).models[0].requests == 7


def test_ids_go_on_where_they_were(database: Database, other: Database, tmp_path: Path) -> None:
    keep(database, row("1"), row("2"))
    with database.writing() as connection:
        connection.execute(predictions.delete().where(predictions.c.request_id == "2"))
    back_up(database, tmp_path / "saved")
    restore(other, tmp_path / "saved")
    keep(other, row("3"))
    with other.reading() as connection:
        assert list(connection.execute(select(predictions.c.id)).scalars()) == [1, 3]


def test_what_is_there_is_only_replaced_if_told(database: Database, tmp_path: Path) -> None:
    keep(database, row("1"))
    back_up(database, tmp_path / "saved")
    keep(database, row("2"))
    with pytest.raises(
        RecordsError, match=r"has 2 predictions, which would be lost: .* --replace\."
    ):
        restore(database, tmp_path / "saved")
    assert ids(database) == ["1", "2"]
    restore(database, tmp_path / "saved", replace=True)
    assert ids(database) == ["1"]


def test_a_revoked_key_stays_revoked_and_servers_see_it(database: Database, tmp_path: Path) -> None:
    create(database, key("app"))
    create(database, key("thief"))
    back_up(database, tmp_path / "saved")
    revoke(database, "thief")
    version, _ = changed_keys(database, 0)
    restore(database, tmp_path / "saved", replace=True)
    _, found = changed_keys(database, version)
    assert found is not None
    assert {one.name: one.revoked_at is not None for one in found} == {"app": False, "thief": True}
    with pytest.raises(KeysError, match="was revoked"):
        revoke(database, "thief")
    assert acts(database)[0][1].action == "restore records"


def test_tables_to_which_rows_are_added_stay_so(database: Database, tmp_path: Path) -> None:
    create(database, key("app"))
    back_up(database, tmp_path / "saved")
    restore(database, tmp_path / "saved", replace=True)
    with pytest.raises(RecordsError, match="append-only"), database.writing() as connection:
        connection.execute(text("DELETE FROM audit"))


def test_others_may_write_while_it_is_written(database: Database, tmp_path: Path) -> None:
    keep(database, *(row(str(number), image=os.urandom(20_000)) for number in range(50)))
    written, ended = 50, threading.Event()

    def go_on() -> None:
        nonlocal written
        while not ended.is_set():
            keep(database, row(str(written)))
            written += 1

    writer = threading.Thread(target=go_on)
    writer.start()
    try:
        saved = [back_up(database, tmp_path / str(number)) for number in range(2)]
    finally:
        ended.set()
        writer.join()
    counts = [one.rows["predictions"] for one in saved]
    assert 50 <= counts[0] <= counts[1] <= written
    assert len(ids(database)) == written


def test_a_file_is_not_overwritten_unless_told(database: Database, tmp_path: Path) -> None:
    path = tmp_path / "saved"
    path.write_bytes(b"mine")
    with pytest.raises(RecordsError, match=r"already exists: choose another file, or add --over"):
        back_up(database, path)
    assert path.read_bytes() == b"mine"
    back_up(database, path, overwrite=True)
    assert path.stat().st_mode & 0o777 == 0o600
    assert [one for one in tmp_path.iterdir() if one.suffix == ".part"] == []


def test_a_file_that_cannot_be_written_is_named(database: Database, tmp_path: Path) -> None:
    with pytest.raises(RecordsError, match=r"missing/saved cannot be written: No such file"):
        back_up(database, tmp_path / "missing" / "saved")
    if database.file:
        with pytest.raises(RecordsError, match="is the database itself"):
            back_up(database, database.file, overwrite=True)


@pytest.mark.parametrize("damage", ["cut", "changed"])
def test_a_damaged_backup_changes_nothing(database: Database, tmp_path: Path, damage: str) -> None:
    keep(database, *(row(str(number), image=os.urandom(2000)) for number in range(50)))
    path = tmp_path / "saved"
    back_up(database, path)
    whole = path.read_bytes()
    half, rest = whole[: len(whole) // 2], whole[len(whole) // 2 :]
    changed = bytes(255 - byte for byte in rest[:8000]) + rest[8000:]
    path.write_bytes(half + (b"" if damage == "cut" else changed))
    keep(database, row("new"))
    with pytest.raises(RecordsError, match=r"saved is damaged \(.*\): use another backup\."):
        restore(database, path, replace=True)
    assert len(ids(database)) == 51


@pytest.mark.parametrize("content", [b"", b"PK\3\4", b"SQLite format 3"])
def test_another_file_is_no_backup(database: Database, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "other").write_bytes(content)
    with pytest.raises(RecordsError, match="other is not a backup: write one with python -m rec"):
        restore(database, tmp_path / "other")


def test_a_database_of_another_program_is_no_backup(database: Database, tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE songs (name TEXT)")
    expected = (
        "another program's database" if database.file else "restore it to one of its own kind"
    )
    with pytest.raises(RecordsError, match=expected):
        restore(database, path)


def test_a_file_that_is_missing_is_named(database: Database, tmp_path: Path) -> None:
    with pytest.raises(RecordsError, match=r"missing cannot be read: No such file or directory\."):
        restore(database, tmp_path / "missing")


def test_a_first_restore_that_fails_leaves_no_database(tmp_path: Path) -> None:
    with Database(f"sqlite:///{tmp_path}/records.db", create=True) as full:
        full.prepare()
        keep(full, *(row(str(number)) for number in range(20)))
        back_up(full, tmp_path / "saved")
    # More than one step of the copy.
    with closing(sqlite3.connect(tmp_path / "saved")) as saved:
        saved.execute("CREATE TABLE much AS SELECT zeroblob(10000000)")

    def interrupted(_percent: int) -> None:
        raise KeyboardInterrupt

    file = tmp_path / "new" / "records.db"
    with (
        Database(f"sqlite:///{file}", create=True) as empty,
        pytest.raises(KeyboardInterrupt),
    ):
        restore(empty, tmp_path / "saved", progress=interrupted)
    assert list(file.parent.iterdir()) == []
    with Database(f"sqlite:///{file}", create=True) as again:
        restore(again, tmp_path / "saved")
        assert len(ids(again)) == 20
