from collections.abc import Iterator
from pathlib import Path

import pytest

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


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    with Database(database_url, create=True) as opened:
        opened.prepare()
        yield opened
