from collections.abc import Iterator
from pathlib import Path

import pytest

from models.version import Version
from records.database import Database
from tests.monitor.production import Production, trained


@pytest.fixture(scope="session")
def production() -> Production:
    """A model of its own in this run's store, and images that it has never seen."""
    version, dataset = trained(name="watched")
    return Production(version, dataset)


@pytest.fixture
def version(production: Production) -> Version:
    return production.version


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/records.db"


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    with Database(database_url, create=True) as opened:
        opened.prepare()
        yield opened
