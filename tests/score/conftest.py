from pathlib import Path

import pytest

from models.store import Store
from tests.drafts import LinearDraft


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A store with one version of the model clf."""
    store = Store(tmp_path / "models")
    store.save(LinearDraft())
    return store
