"""Champions that are loaded before they are asked for, over a real store."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from models.extractor import Extractor
from models.store import Store
from serving.inference.ahead import Ahead
from serving.routing.registry import Registry
from settings import Settings
from tests.drafts import LinearDraft
from tests.extractors import saved_extractor, saved_photos_version
from tests.serving.routing.decided import routing
from tests.waiting import PATIENCE_SECONDS

SETTINGS = Settings(max_loaded_versions=3, refresh_ms=60_000)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "models")


@pytest.fixture
def extractor(store: Store) -> Extractor:
    return saved_extractor(store)


@pytest.fixture
async def registry(store: Store) -> AsyncIterator[Registry]:
    registry = Registry(store, SETTINGS)
    yield registry
    registry.champions.close()


async def refresh(registry: Registry) -> None:
    await registry.refresh(PATIENCE_SECONDS)


def in_memory(registry: Registry) -> set[str]:
    return {
        version.tag
        for listing in registry.catalog()
        for version, is_loaded in listing.versions
        if is_loaded
    }


async def test_a_champion_with_an_extractor_is_loaded_before_it_is_asked_for(
    registry: Registry, store: Store, extractor: Extractor
) -> None:
    store.save(LinearDraft("plain"))
    older, newer = (saved_photos_version(store, extractor, seed=seed) for seed in (0, 1))
    await refresh(registry)
    assert in_memory(registry) == {newer.tag}
    loaded = registry.loaded("colors")
    assert loaded is not None
    assert set(loaded.metrics._routes) == {"/predict/", "/predict/batch/"}
    await registry.champions.follow(routing(older), PATIENCE_SECONDS)
    assert in_memory(registry) == {older.tag}


async def test_what_was_decided_is_loaded_and_not_the_newest(
    registry: Registry, store: Store, extractor: Extractor
) -> None:
    older, _ = (saved_photos_version(store, extractor, seed=seed) for seed in (0, 1))
    await registry.champions.follow(routing(older), PATIENCE_SECONDS)
    await refresh(registry)
    assert in_memory(registry) == {older.tag}


async def test_one_that_had_to_leave_the_memory_stays_out(
    registry: Registry, store: Store, extractor: Extractor
) -> None:
    left = saved_photos_version(store, extractor)
    others = [store.save(LinearDraft(name)) for name in ("x", "y", "z")]
    await refresh(registry)
    for other in others:
        await registry.load(other.name)
    await refresh(registry)
    assert left.tag not in in_memory(registry)


async def test_no_more_than_there_is_room_for(store: Store, extractor: Extractor) -> None:
    versions = [saved_photos_version(store, extractor, name) for name in ("a", "b", "c")]
    ahead = Ahead(3)
    assert ahead.models(versions) == {"a", "b"}
    assert ahead.models(versions) == set()
    assert ahead.models(versions[1:]) == {"c"}, "the first was deleted"
