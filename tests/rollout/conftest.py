import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from records.database import Database


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file to copy: its schema is made once."""
    path = tmp_path_factory.mktemp("database") / "records.db"
    with Database(f"sqlite:///{path}", create=True) as opened:
        opened.prepare()
    return path


@pytest.fixture
def database(empty_database: Path, tmp_path: Path) -> Iterator[Database]:
    shutil.copy(empty_database, tmp_path)
    with Database(f"sqlite:///{tmp_path}/{empty_database.name}") as opened:
        yield opened
