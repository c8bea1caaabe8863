import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from models.version import Version
from monitor.window.version import MonitoredVersion
from records.database import Database
from tests.monitor.production import Production, trained


@pytest.fixture(scope="session")
def production() -> Production:
    """A model of its own in this run's store, and images that it has never seen."""
    version, dataset = trained(name="watched")
    return Production(version, dataset)


@pytest.fixture(scope="session")
def monitored(production: Production) -> MonitoredVersion:
    return MonitoredVersion.of(production.version)


@pytest.fixture
def version(production: Production) -> Version:
    return production.version


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file to copy: its schema is made once."""
    path = tmp_path_factory.mktemp("database") / "records.db"
    with Database(f"sqlite:///{path}", create=True) as opened:
        opened.prepare()
    return path


@pytest.fixture
def database_url(empty_database: Path, tmp_path: Path) -> str:
    shutil.copy(empty_database, tmp_path)
    return f"sqlite:///{tmp_path}/{empty_database.name}"


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    with Database(database_url) as opened:
        yield opened
