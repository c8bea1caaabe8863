import contextlib
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import event, text
from sqlalchemy.exc import OperationalError

from errors import DatabaseError, DiskFullError, RecordsError, SchemaError
from records.database import Database
from records.failures import translated_errors
from records.migrations import upgrade
from records.schema import COMPATIBLE, REVISION, SCHEMA_TABLE, VERSION_TABLE, metadata
from records.windows import window
from records.writer import write
from settings import Settings
from tests.databases import Postgres
from tests.records.processes import migrate, together
from tests.records.rows import ROW, keep, label, row
from tests.servers import ROOT
from tests.waiting import PATIENCE_SECONDS

NOBODY = 65534


def set_revision(database: Database, revision: str, table: str = VERSION_TABLE) -> None:
    with database.writing() as connection:
        connection.execute(text(f"UPDATE {table} SET version_num = '{revision}'"))  # noqa: S608


def version_in(database: Database, table: str) -> str:
    with database.reading() as connection:
        return str(connection.execute(text(f"SELECT version_num FROM {table}")).scalar_one())  # noqa: S608


def make_old(database: Database) -> None:
    """What version 0.1 made of a new database."""
    database.create_file()
    with database.writing() as connection:
        upgrade(connection, "0001")
        connection.execute(text(f"ALTER TABLE {SCHEMA_TABLE} RENAME TO {VERSION_TABLE}"))


def test_a_new_database_is_made_ready(database_url: str) -> None:
    with Database(database_url, create=True) as database:
        database.prepare()
        keep(database, ROW)
        database.prepare()
        assert len(window(database, "clf")) == 1


def test_an_older_schema_is_reported(database: Database) -> None:
    set_revision(database, "0001", SCHEMA_TABLE)
    with pytest.raises(SchemaError, match=r"has schema 0001.* run python -m records migrate\.$"):
        database.check()


def test_a_server_brings_a_database_of_version_0_1_up_to_date(database_url: str) -> None:
    with Database(database_url, create=True) as database:
        make_old(database)
        with database.writing() as connection:
            connection.execute(
                text(
                    "INSERT INTO predictions (request_id, model, version, role, at, status, origin,"
                    " image_bytes) VALUES ('old', 'clf', 'a', 'champion',"
                    " '2030-01-31 12:00:00.000000', 200, 'traffic', 0)"
                )
            )
        assert database.revision() == "0001"
        database.prepare()
        assert database.revision() == REVISION
        assert len(window(database, "clf")) == 1
        assert label(database, "old", 8).status == "added"


def test_a_server_of_version_0_1_goes_on_with_what_was_added(database: Database) -> None:
    # All that it looks at, which must be what it knows.
    assert version_in(database, VERSION_TABLE) == COMPATIBLE == "0001"
    keep(database, ROW)
    with database.writing() as connection:
        connection.execute(
            text(
                "INSERT INTO labels (prediction_id, request_id, model, label, source, known, at)"
                " SELECT id, request_id, model, '3', '', NULL, at FROM predictions"
            )
        )
    assert window(database, "clf")[0].truth == 3


def test_this_server_goes_on_with_what_a_newer_one_adds(database: Database) -> None:
    set_revision(database, "0999", SCHEMA_TABLE)
    database.prepare()
    database.check()
    keep(database, ROW)
    assert database.migrate() == "0999"
    assert version_in(database, SCHEMA_TABLE) == "0999"


def test_processes_that_migrate_an_old_database_at_the_same_time_all_succeed(
    database_url: str,
) -> None:
    with Database(database_url, create=True) as database:
        make_old(database)
    outputs = together(migrate, [(database_url,)] * 4)
    assert sorted(output.strip().rpartition("schema ")[2] for output in outputs) == [
        "0005 already.",
        "0005 already.",
        "0005 already.",
        "0005, was 0001.",
    ]


def test_a_newer_schema_is_reported(database: Database) -> None:
    set_revision(database, "0999")
    with pytest.raises(SchemaError, match=r"was written by a newer Pupila \(schema 0999"):
        database.prepare()
    with pytest.raises(SchemaError, match="newer"):
        database.migrate()


def test_tables_of_another_program_are_left_alone(database_url: str) -> None:
    with Database(database_url, create=True) as database:
        database.create_file()
        with database.writing() as connection:
            connection.execute(text("CREATE TABLE labels (x integer)"))
        with pytest.raises(SchemaError, match="a table 'labels' that Pupila did not create"):
            database.prepare()


def test_other_tables_do_not_matter(database_url: str) -> None:
    with Database(database_url, create=True) as database:
        database.create_file()
        with database.writing() as connection:
            connection.execute(text("CREATE TABLE alembic_version (version_num text)"))
        database.prepare()


def test_a_database_without_tables_is_reported(database_url: str) -> None:
    with Database(database_url, create=True) as database:
        database.create_file()
        with pytest.raises(SchemaError, match=r"run python -m records migrate\.$"):
            database.check()
        with pytest.raises(SchemaError, match="lacks a table"):
            write(database, [ROW], {})


def test_migrations_create_the_schema(database: Database) -> None:
    with database.reading() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "version_table": SCHEMA_TABLE}
        )
        extra = compare_metadata(context, metadata)
    assert [(kind, table.name) for kind, table in extra] == [("remove_table", VERSION_TABLE)]


def test_a_migration_that_fails_leaves_nothing(database_url: str) -> None:
    with Database(database_url, create=True) as database:
        database.create_file()

        def fail(database: Database) -> None:
            with database.writing() as connection:
                upgrade(connection)
                connection.execute(text("SELECT * FROM absent"))

        with pytest.raises(SchemaError):
            fail(database)
        assert database.revision() is None


def test_processes_that_migrate_at_the_same_time_all_succeed(database_url: str) -> None:
    outputs = together(migrate, [(database_url,)] * 4)
    assert sorted(output.strip().rpartition("schema ")[2] for output in outputs) == [
        "0005 already.",
        "0005 already.",
        "0005 already.",
        "0005, new.",
    ]


def test_threads_that_make_a_new_file_at_the_same_time_wait_for_each_other(tmp_path: Path) -> None:
    ready = threading.Barrier(4)

    def make(url: str) -> str | None:
        with Database(url, create=True) as database:
            ready.wait(PATIENCE_SECONDS)
            return database.migrate()

    with ThreadPoolExecutor(4) as threads:
        for number in range(24):
            made = list(threads.map(make, [f"sqlite:///{tmp_path / str(number)}/records.db"] * 4))
            assert sorted(before or "" for before in made) == ["", *[REVISION] * 3]


def test_the_default_is_a_file_of_the_user_alone(tmp_path: Path) -> None:
    home = tmp_path / "a ?%20#home"
    with Database.of(Settings(home=home), create=True) as database:
        database.prepare()
        keep(database, ROW)
        assert database.file == home / "records.db"
        assert home.stat().st_mode & 0o777 == 0o700
        assert {path.stat().st_mode & 0o777 for path in home.iterdir()} == {0o600}


def test_reading_creates_no_file(tmp_path: Path) -> None:
    file = tmp_path / "records.db"
    with Database(f"sqlite:///{file}") as database:
        with pytest.raises(SchemaError, match="There is no database"):
            database.check()
        with pytest.raises(DatabaseError, match="There is no database"):
            window(database, "clf")
    assert not file.exists()


@pytest.mark.parametrize(
    "url",
    [
        "secret",
        "postgresql://user:secret@host:port/name",
        "mysql://user:secret@host/name",
        "postgresql+asyncpg://user:secret@host/name",
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite:////a/file.db?password=secret",
    ],
)
def test_an_invalid_url_is_reported_without_its_password(url: str) -> None:
    with pytest.raises(RecordsError) as caught:
        Database(url)
    assert "secret" not in str(caught.value)
    assert str(caught.value).endswith(".")


def test_a_setting_must_name_the_folder_of_its_file() -> None:
    with pytest.raises(RecordsError, match=r"names file\.db without its folder: "):
        Database.of(Settings(database_url="sqlite:///file.db"))


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://user:s3cr3t@127.0.0.1:1/name",
        "postgres://user@127.0.0.1:1/name?password=s3cr3t",
        "postgresql://user:s3cr3t@/name?host=/nowhere/at/all",
        "postgresql://user:s3cr3t@127.0.0.1:1/name?sslmode=s3cr3t-mode",
    ],
)
def test_an_unreachable_server_is_reported_without_the_password(url: str) -> None:
    with Database(url) as database, pytest.raises(DatabaseError) as caught:
        keep(database, ROW)
    message = str(caught.value)
    assert "\n" not in message
    if "sslmode" not in url:
        assert "s3cr3t" not in message
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_settings_do_not_show_the_password(tmp_path: Path) -> None:
    chosen = Settings(home=tmp_path, database_url="postgresql://u:s3cr3t@127.0.0.1:1/n")
    assert "s3cr3t" not in f"{chosen!r} {chosen}"
    with Database.of(chosen) as database:
        assert "s3cr3t" not in f"{database.name} {database.url} {database.engine}"


@contextlib.contextmanager
def locked(database: Database) -> Iterator[None]:
    """Another writer with an open transaction."""
    with Database(database.url) as other, other.writing() as connection:
        if other.dialect == "postgresql":
            connection.execute(text("LOCK TABLE predictions IN EXCLUSIVE MODE"))
        yield


def test_a_locked_database_can_be_read_and_written_later(database: Database) -> None:
    keep(database, row("1"))
    with Database(database.url, timeout=0.1) as impatient:
        with locked(database):
            with pytest.raises(DatabaseError, match=r"has locked it; try again\.$"):
                keep(impatient, row("2"))
            assert len(window(impatient, "clf")) == 1
        keep(impatient, row("2"))
    assert len(window(database, "clf")) == 2


def test_a_full_disk_is_reported_until_there_is_room(database: Database) -> None:
    if database.dialect == "postgresql":
        pytest.skip("a disk cannot be filled for PostgreSQL alone")
    pages = [60]

    @event.listens_for(database.engine, "checkout")
    def bound(connection: Any, _record: object, _proxy: object) -> None:
        connection.execute(f"PRAGMA max_page_count = {pages[0]}")

    large = row("1", image=b"x" * 500_000)
    with pytest.raises(DatabaseError, match="the disk is full"):
        keep(database, large)
    assert window(database, "clf") == []
    pages[0] = 10_000
    keep(database, large)
    assert len(window(database, "clf")) == 1


@contextlib.contextmanager
def without_rights() -> Iterator[Path]:
    """A folder that others can enter; this process may become one of them."""
    folder = Path(tempfile.mkdtemp(prefix="pupila-rights-", dir="/tmp"))
    root = os.geteuid() == 0
    try:
        folder.chmod(0o755)
        yield folder
    finally:
        if root:
            os.seteuid(0)
        shutil.rmtree(folder)


def give_up_root() -> None:
    if os.geteuid() == 0:
        os.seteuid(NOBODY)


def test_a_read_only_file_is_reported() -> None:
    with without_rights() as folder:
        url = f"sqlite:///{folder}/records.db"
        with Database(url, create=True) as database:
            database.prepare()
        (folder / "records.db").chmod(0o444)
        folder.chmod(0o555)
        give_up_root()
        with (
            Database(url) as database,
            pytest.raises(DatabaseError, match=r"is read-only|cannot be opened"),
        ):
            keep(database, ROW)


def test_a_folder_that_cannot_be_created_is_reported() -> None:
    with without_rights() as folder:
        folder.chmod(0o555)
        give_up_root()
        with (
            Database(f"sqlite:///{folder}/home/records.db", create=True) as database,
            pytest.raises(DatabaseError, match="cannot be created: Permission denied; set"),
        ):
            database.prepare()


def test_a_file_that_is_not_a_database_is_reported(tmp_path: Path) -> None:
    file = tmp_path / "records.db"
    file.write_bytes(b"a text that is longer than the header of a database" * 100)
    with (
        Database(f"sqlite:///{file}") as database,
        pytest.raises(DatabaseError, match="not a SQLite database"),
    ):
        database.check()


def test_a_file_that_was_removed_is_noticed(database: Database) -> None:
    if database.file is None:
        pytest.skip("PostgreSQL has no file")
    keep(database, ROW)
    for path in database.file.parent.iterdir():
        path.unlink()
    with pytest.raises(DatabaseError, match="There is no database"):
        keep(database, ROW)
    database.prepare()
    keep(database, ROW)
    assert len(window(database, "clf")) == 1


def test_commits_are_durable_and_what_is_deleted_is_overwritten(database: Database) -> None:
    if database.dialect == "postgresql":
        with database.writing() as connection:
            assert connection.execute(text("SHOW synchronous_commit")).scalar_one() == "on"
        return
    with database.reading() as connection:
        found = {
            name: connection.execute(text(f"PRAGMA {name}")).scalar_one()
            for name in ("synchronous", "journal_mode", "secure_delete", "auto_vacuum")
        }
    assert found == {
        "synchronous": 2,
        "journal_mode": "wal",
        "secure_delete": 1,
        "auto_vacuum": 2,
    }


def test_readers_see_a_snapshot(database: Database) -> None:
    count = text("SELECT count(*) FROM predictions")
    with database.reading() as connection:
        assert connection.execute(count).scalar_one() == 0
        keep(database, ROW)
        assert connection.execute(count).scalar_one() == 0


def test_a_reader_cannot_write(database: Database) -> None:
    def write_as_reader() -> None:
        with database.reading() as connection:
            connection.execute(text("DELETE FROM predictions"))

    keep(database, ROW)
    with contextlib.suppress(DatabaseError):
        write_as_reader()
    assert len(window(database, "clf")) == 1


def test_a_transaction_that_raises_leaves_nothing(database: Database) -> None:
    def half() -> None:
        with database.writing() as connection:
            connection.execute(text("DELETE FROM predictions"))
            raise ValueError

    keep(database, ROW)
    with pytest.raises(ValueError):
        half()
    assert len(window(database, "clf")) == 1


def test_postgresql_is_used_again_after_a_restart(postgres: Postgres) -> None:
    with Database(postgres.database()) as database:
        database.prepare()
        keep(database, ROW)
        postgres.stop()
        try:
            with pytest.raises(DatabaseError):
                keep(database, ROW)
        finally:
            postgres.start()
        keep(database, ROW)
        assert len(window(database, "clf")) == 2


def test_a_connection_that_is_cut_leaves_nothing_and_is_replaced(postgres: Postgres) -> None:
    def cut(database: Database) -> None:
        with database.writing() as connection:
            connection.execute(text("DELETE FROM predictions"))
            connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))

    with Database(postgres.database()) as database:
        database.prepare()
        keep(database, ROW)
        with pytest.raises(DatabaseError):
            cut(database)
        assert len(window(database, "clf")) == 1


def test_the_server_loads_no_migrations() -> None:
    code = (
        "import sys, records.writer, records.labels, records.windows, records.reports\n"
        "import records.keys\n"
        "print([name for name in ('alembic', 'pyarrow', 'rich', 'numpy') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_sqlite_can_do_what_we_ask_of_it() -> None:
    assert sqlite3.sqlite_version_info >= (3, 35), "RETURNING"


def test_an_invalid_path_is_reported(tmp_path: Path) -> None:
    with Database(f"sqlite:///{tmp_path}/{'a' * 300}.db", create=True) as database:
        for use in (database.check, database.prepare, database.revision):
            with pytest.raises(DatabaseError, match="cannot be accessed: File name too long"):
                use()


def test_a_password_of_its_own_is_added_where_the_url_has_none() -> None:
    def password(url: str) -> object:
        chosen = Settings(database_url=url, database_password="p@:/ss")
        with Database.of(chosen) as database:
            return database.url.password

    assert password("postgresql://pupila@host/pupila") == "p@:/ss"
    assert password("postgresql://pupila:other@host/pupila") == "other"
    assert password("sqlite:////folder/file.db") is None


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no disk can be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_what_sqlite_calls_an_io_error_is_a_full_disk_where_it_is_full(tmp_path: Path) -> None:
    with small_disk(tmp_path / "small") as folder:
        error = OperationalError("INSERT", {}, sqlite3.OperationalError("disk I/O error"))
        with (
            pytest.raises(DatabaseError, match="cannot be used: disk I/O error"),
            translated_errors(str(folder / "records.db")),
        ):
            raise error
        with contextlib.suppress(OSError), (folder / "rest").open("wb") as rest:
            rest.write(bytes(1_000_000))
        with (
            pytest.raises(DiskFullError, match="the disk is full; run python -m records prune"),
            translated_errors(str(folder / "records.db")),
        ):
            raise error
