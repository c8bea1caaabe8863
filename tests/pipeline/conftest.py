"""A champion with its training images, and production that it has never seen."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from models.manifest import Label
from models.store import Store
from models.version import Version
from records.database import Database
from records.labels import NewLabel, add
from records.requests import Drawn, ask
from records.windows import window
from tests.monitor.production import DIGITS, Pixels, keep
from train.dataset import Dataset, split
from train.digits import load_digits
from train.fit import train

NOW = datetime.now(UTC)


@dataclass(frozen=True)
class Place:
    """A store and a database of one test, and digits that the champion has never seen."""

    store: Store
    database: Database
    champion: Version
    unseen: Dataset

    def serve(
        self,
        pixels: Pixels,
        labels: list[Label] | None = None,
        *,
        drawn: Drawn = "volunteered",
        prefix: str = "r",
        at: datetime = NOW,
        version: Version | None = None,
        weight: float = 1.0,
    ) -> list[str]:
        """Predictions, and their labels, of images that were drawn so."""
        names = keep(
            self.database,
            version or self.champion,
            pixels,
            at=at - timedelta(hours=1),
            prefix=prefix,
            weight=weight,
        )
        if drawn != "volunteered":
            rows = window(self.database, self.champion.name, limit=None, with_images=False)
            ask(self.database, [one.id for one in rows if one.request_id in set(names)], drawn)
        if labels is not None:
            items = [NewLabel(name, label) for name, label in zip(names, labels, strict=True)]
            add(self.database, items, lambda _model: range(10))
        return names

    def some(self, start: int, count: int) -> tuple[Pixels, list[Label]]:
        """Images that were never seen, with their labels."""
        rows = slice(start, start + count)
        return self.unseen.pixels[rows], [int(label) for label in self.unseen.targets[rows]]


@pytest.fixture(scope="session")
def digits() -> tuple[Dataset, Dataset]:
    """To train on, and never seen."""
    parts = split(load_digits(DIGITS), 0.5, seed=3)
    order = np.random.default_rng(5).permutation(len(parts.holdout))
    return parts.train, parts.holdout.take(order)


@pytest.fixture(scope="session")
def trained_store(
    digits: tuple[Dataset, Dataset], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    result = train(digits[0], "logistic", "clf", holdout=0.3)
    Store(folder / "models").save(result.candidate, result.images)
    return folder


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("database") / "records.db"
    with Database(f"sqlite:///{path}", create=True) as opened:
        opened.prepare()
    return path


@pytest.fixture
def database(empty_database: Path, tmp_path: Path) -> Iterator[Database]:
    shutil.copy(empty_database, tmp_path)
    with Database(f"sqlite:///{tmp_path}/{empty_database.name}") as opened:
        yield opened


@pytest.fixture
def place(
    trained_store: Path, database: Database, digits: tuple[Dataset, Dataset], tmp_path: Path
) -> Place:
    shutil.copytree(trained_store, tmp_path, dirs_exist_ok=True)
    store = Store(tmp_path / "models")
    return Place(store, database, store.champion("clf"), digits[1])
