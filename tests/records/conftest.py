"""Databases for a test each: one is migrated, the others are copies of it."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import event

from records.database import Database
from tests.databases import Postgres, postgres_server


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    with postgres_server() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A new database, without tables."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/home/records.db"
    server: Postgres = request.getfixturevalue("postgres")
    return server.database()


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("migrated") / "records.db"
    with Database(f"sqlite:///{file}", create=True) as database:
        database.prepare()
    return file


@pytest.fixture(scope="session")
def migration(postgres: Postgres) -> str:
    """The statements of a migration on PostgreSQL, which take a third of the time of Alembic."""
    statements: list[str] = []
    with Database(postgres.database()) as database:

        @event.listens_for(database.engine, "before_cursor_execute")
        def collect(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
            if statement.lstrip().startswith(("CREATE", "ALTER", "INSERT", "UPDATE", "DELETE")):
                statements.append(statement)

        database.prepare()
    return ";".join(statements)


@pytest.fixture
def database(request: pytest.FixtureRequest, database_url: str) -> Iterator[Database]:
    """A new database, with tables."""
    with Database(database_url, create=True) as opened:
        if opened.file:
            opened.file.parent.mkdir()
            shutil.copy(request.getfixturevalue("migrated_file"), opened.file)
        else:
            url = opened.url.set(drivername="postgresql").render_as_string(hide_password=False)
            with psycopg.connect(url) as connection:
                connection.execute(request.getfixturevalue("migration"))
        yield opened
