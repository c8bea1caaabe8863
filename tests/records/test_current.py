"""Who is champion, for those who ask outside of a server."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from records import current
from records.champions import promote
from records.current import champions
from records.database import Database
from records.glance import last_decision
from records.remembered import FILE, remember
from records.routing import Routing
from settings import Settings

KNOWN = {"clf": Routing("clf", "old", "trial")}


@pytest.fixture(autouse=True)
def _warned_anew() -> Iterator[None]:
    current._warn.cache_clear()
    yield
    current._warn.cache_clear()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "pupila"


def test_without_a_database_nobody_is_champion_and_none_is_made(home: Path) -> None:
    assert champions(Settings(home=home)) == {}
    assert champions(Settings(home=home, database_url=f"sqlite:///{home}/other.db")) == {}
    assert not home.exists()


def test_the_database_says_who_is(database: Database, database_url: str, home: Path) -> None:
    remember(home / FILE, 1, KNOWN)
    promote(database, "clf", "b", actor="ann", because="tests", answering="a")
    found = champions(Settings(home=home, database_url=database_url))
    assert found == {"clf": Routing("clf", "b")}


def test_the_default_file_is_read(migrated_file: Path, home: Path) -> None:
    home.mkdir()
    (home / "records.db").write_bytes(migrated_file.read_bytes())
    with Database.of(Settings(home=home)) as database:
        promote(database, "clf", "b", actor="ann", because="tests", answering=None)
    assert champions(Settings(home=home)) == {"clf": Routing("clf", "b")}


def test_a_servers_memory_of_the_last_decision_spares_the_database(
    migrated_file: Path, home: Path
) -> None:
    """It says who is champion without SQLAlchemy; of an earlier decision it does not."""
    home.mkdir()
    file = home / "records.db"
    file.write_bytes(migrated_file.read_bytes())
    chosen = Settings(home=home)
    with Database.of(chosen) as database:
        promote(database, "clf", "one", actor="me", because="first", answering=None)
        decision = last_decision(file, 1.0)
        assert decision
        kept = {"clf": Routing("clf", "as remembered")}
        remember(home / FILE, decision, kept)
        assert champions(chosen) == kept
        promote(database, "clf", "two", actor="me", because="second", answering="one")
    assert champions(chosen)["clf"].champion == "two"


@pytest.mark.parametrize("content", [b"", b"no database", None], ids=["empty", "text", "absent"])
def test_what_cannot_be_asked_at_a_glance_is_left_to_the_database(
    tmp_path: Path, content: bytes | None
) -> None:
    file = tmp_path / "records 100%.db"
    if content is not None:
        file.write_bytes(content)
    assert last_decision(file, 1.0) is None


def test_a_glance_sees_no_decision(migrated_file: Path) -> None:
    assert last_decision(migrated_file, 1.0) == 0


def test_a_database_without_tables_has_no_aliases(database_url: str, home: Path) -> None:
    with Database(database_url, create=True) as empty:
        empty.create_file()
    assert champions(Settings(home=home, database_url=database_url)) == {}


def test_a_database_that_has_lost_its_decisions_gives_way_to_memory(
    database: Database, database_url: str, home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    remember(home / FILE, 1, KNOWN)
    chosen = Settings(home=home, database_url=database_url)
    assert champions(chosen) == KNOWN
    assert "the database has no decisions, but this machine knew some" in caplog.text
    promote(database, "clf", "b", actor="ann", because="tests", answering=None)
    assert champions(chosen) == {"clf": Routing("clf", "b")}


def test_without_a_database_a_servers_memory_counts(
    home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    remember(home / FILE, 1, KNOWN)
    assert champions(Settings(home=home)) == KNOWN
    assert caplog.messages == []


def test_a_database_that_is_away_gives_way_to_memory_with_one_line(
    home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    remember(home / FILE, 1, KNOWN)
    chosen = Settings(home=home, database_url=f"postgresql://me:secret@/records?host={home}")
    assert champions(chosen) == champions(chosen) == KNOWN
    (line,) = caplog.messages
    assert line.startswith(
        "the champions known last on this machine are used: The database "
        f"PostgreSQL records at {home} cannot be used: "
    )
    assert "secret" not in line


def test_an_old_schema_gives_way_to_the_newest_versions(
    database: Database, database_url: str, home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with database.writing() as connection:
        connection.exec_driver_sql("UPDATE records_schema SET version_num = '0002'")
    assert champions(Settings(home=home, database_url=database_url)) == {}
    (line,) = caplog.messages
    assert line == (
        "the newest versions are taken for the champions: "
        f"{database.name} has schema 0002, but 0005 is needed: run python -m records migrate."
    )


def test_a_file_that_is_no_database_is_one_line(
    home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    home.mkdir()
    (home / "records.db").write_bytes(b"not a database, but long enough to look like one" * 100)
    assert champions(Settings(home=home)) == {}
    assert "the file is not a SQLite database" in caplog.text
