"""Who answers once that was decided, over real stores of small real versions."""

import logging
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from errors import BadRequestError
from models.store import Store
from models.version import Version
from records.routing import Routing
from serving.inference.engine import Engine
from serving.routing.registry import Registry
from settings import Settings
from tests.drafts import LinearDraft
from tests.serving.routing.decided import rollout, routing
from tests.waiting import PATIENCE_SECONDS, until_async

SETTINGS = Settings(max_loaded_versions=2, refresh_ms=60_000)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "models")


@pytest.fixture
def versions(store: Store) -> list[Version]:
    """Three of them, oldest first."""
    return [store.save(LinearDraft()) for _ in range(3)]


@pytest.fixture
async def registry(store: Store, versions: list[Version]) -> AsyncIterator[Registry]:
    assert versions
    registry = Registry(store, SETTINGS)
    async with registry.watching():
        yield registry


async def follow(registry: Registry, decided: Mapping[str, Routing]) -> None:
    """However long a busy machine takes over it."""
    await registry.champions.follow(decided, PATIENCE_SECONDS)


def answering(registry: Registry, model: str = "clf") -> Engine:
    engine = registry.loaded(model)
    assert engine is not None
    return engine


def spoil(version: Version) -> None:
    (version.path / "model.onnx").write_bytes(b"spoiled")


def missing(version: Version) -> float:
    names = {"model": version.name, "version": version.version}
    return REGISTRY.get_sample_value("pupila_rollout_missing_total", names) or 0.0


async def test_what_was_decided_answers(registry: Registry, versions: list[Version]) -> None:
    assert answering(registry).version == versions[2]
    await follow(registry, routing(versions[0]))
    assert answering(registry).version == versions[0]
    assert answering(registry, "clf.pickle:champion").version == versions[0]
    assert registry.catalog()[0].champion == versions[0].tag
    assert registry.champions.settled


async def test_a_new_version_is_a_candidate(
    registry: Registry, store: Store, versions: list[Version]
) -> None:
    await follow(registry, routing(versions[1]))
    newest = store.save(LinearDraft())
    await registry.refresh()
    assert answering(registry).version == versions[1]
    assert (await registry.load(newest.tag)).role == "candidate"
    assert answering(registry).role == "champion"


async def test_a_server_that_starts_never_serves_another(
    store: Store, versions: list[Version]
) -> None:
    registry = Registry(store, SETTINGS)
    await follow(registry, routing(versions[0]))
    async with registry.watching():
        assert answering(registry).version == versions[0]
        assert not registry.catalog()[0].versions[2][1], "it was never loaded"


async def test_the_new_one_is_warm_before_it_answers(
    registry: Registry, versions: list[Version]
) -> None:
    await follow(registry, routing(versions[0]))
    assert set(answering(registry).metrics._routes) == {"/predict/", "/predict/batch/"}


async def test_the_old_one_leaves_the_memory(registry: Registry, versions: list[Version]) -> None:
    await follow(registry, routing(versions[1]))
    loaded = [version for version, is_loaded in registry.catalog()[0].versions if is_loaded]
    assert loaded == [versions[1]]


async def test_a_hundred_changes(registry: Registry, versions: list[Version]) -> None:
    for number in range(100):
        await follow(registry, routing(versions[number % 3]))
        assert answering(registry).version == versions[number % 3]


async def test_a_change_while_the_last_one_is_on_its_way(
    registry: Registry, versions: list[Version]
) -> None:
    for number in range(7):
        await registry.champions.follow(routing(versions[number % 3]), patience=0)
        assert registry.loaded("clf") is not None
    await until_async(lambda: registry.champions.settled)
    assert answering(registry).version == versions[0]


async def test_a_champion_that_is_not_here_leaves_the_present_one(
    registry: Registry,
    store: Store,
    versions: list[Version],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    elsewhere = Store(tmp_path / "other").save(LinearDraft())
    with caplog.at_level(logging.WARNING):
        await follow(registry, routing(elsewhere))
        for _ in range(3):
            await registry.refresh()
    assert answering(registry).version == versions[2]
    assert caplog.text.count("was decided on, but cannot answer here") == 1
    assert missing(elsewhere) == 1
    assert elsewhere.tag not in registry.usable()
    elsewhere.path.rename(versions[0].path.with_name(elsewhere.version))
    await registry.refresh()
    assert answering(registry).version.tag == elsewhere.tag
    assert elsewhere.tag in registry.usable()


async def test_a_champion_that_does_not_load_leaves_the_present_one(
    registry: Registry, versions: list[Version]
) -> None:
    spoil(versions[0])
    await follow(registry, routing(versions[0]))
    assert answering(registry).version == versions[2]
    assert registry.readiness().ready
    assert missing(versions[0]) == 1
    assert versions[0].tag not in registry.usable()


async def test_a_server_that_starts_without_the_champion_serves_another(
    store: Store, versions: list[Version]
) -> None:
    spoil(versions[0])
    registry = Registry(store, SETTINGS)
    await follow(registry, routing(versions[0], rollout(versions[0], versions[2])))
    async with registry.watching():
        assert answering(registry).version == versions[1], "and not the challenger"


async def test_a_champion_whose_files_are_gone_goes_on(
    registry: Registry, store: Store, versions: list[Version]
) -> None:
    await follow(registry, routing(versions[0]))
    store.delete(versions[0])
    await registry.refresh()
    assert answering(registry).version == versions[0]


async def test_the_challenger_answers_by_its_alias_while_there_is_one(
    registry: Registry, versions: list[Version]
) -> None:
    first, second, _ = versions
    await follow(registry, routing(first, rollout(first, second)))
    assert answering(registry, "clf:challenger").version == second
    assert answering(registry, "clf:challenger").role == "challenger"
    assert answering(registry, "clf:champion").version == first
    [listing] = registry.catalog()
    assert listing.challenger == second.tag
    assert listing.rollout == rollout(first, second)
    await follow(registry, routing(first))
    assert registry.loaded("clf:challenger") is None
    with pytest.raises(BadRequestError, match=r"^Invalid model name$"):
        await registry.load("clf:challenger")


async def test_both_versions_of_a_rollout_stay_in_memory(
    registry: Registry, store: Store, versions: list[Version]
) -> None:
    first, second, _ = versions
    await follow(registry, routing(first, rollout(first, second)))
    for name in ("a", "b", "c"):
        store.save(LinearDraft(name))
    await registry.refresh()
    for name in ("a", "b", "c"):
        await registry.load(name)
    loaded = {version for version, is_loaded in registry.catalog()[-1].versions if is_loaded}
    assert loaded == {first, second}


async def test_a_rollout_is_tried_once_both_are_in_memory(
    registry: Registry, versions: list[Version]
) -> None:
    first, second, _ = versions
    await follow(registry, routing(first, rollout(first, second)))
    trial = registry.trials.running["clf"]
    assert registry.trials.running["clf.pickle"] is trial
    assert (trial.champion.version, trial.challenger.version) == (first, second)
    await registry.refresh()
    await follow(registry, routing(first, rollout(first, second)))
    assert registry.trials.running["clf"] is trial, "nothing has changed"
    await follow(registry, routing(first, rollout(first, second, share=0.5)))
    assert registry.trials.running["clf"] is not trial


async def test_a_promoted_challenger_is_the_same_engine(
    registry: Registry, versions: list[Version]
) -> None:
    first, second, _ = versions
    await follow(registry, routing(first, rollout(first, second)))
    challenger = answering(registry, "clf:challenger")
    await follow(registry, routing(second))
    assert answering(registry) is challenger
    assert challenger.role == "champion"
    assert not registry.trials.running


async def test_a_challenger_that_is_let_go_leaves_the_memory(
    registry: Registry, versions: list[Version]
) -> None:
    first, second, _ = versions
    await follow(registry, routing(first, rollout(first, second)))
    await follow(registry, routing(first))
    assert not registry.trials.running
    loaded = [version for version, is_loaded in registry.catalog()[0].versions if is_loaded]
    assert loaded == [first]


@pytest.mark.parametrize("which", [0, 1])
async def test_no_trial_where_one_of_the_two_is_missing(
    registry: Registry, versions: list[Version], which: int
) -> None:
    spoil(versions[which])
    first, second, third = versions
    await follow(registry, routing(first, rollout(first, second)))
    assert not registry.trials.running
    assert answering(registry).version == (third if which == 0 else first)
    assert missing(versions[which]) == 1


async def test_a_model_that_nobody_asks_for_is_not_loaded(registry: Registry, store: Store) -> None:
    old = store.save(LinearDraft("other"))
    store.save(LinearDraft("other"))
    await registry.refresh()
    await follow(registry, routing(old))
    assert registry.loaded("other") is None
    assert registry.catalog()[-1].champion == old.tag
    assert (await registry.load("other")).version == old


async def test_a_model_without_an_alias_is_as_before(
    registry: Registry, store: Store, versions: list[Version]
) -> None:
    await follow(registry, routing(versions[0]))
    store.save(LinearDraft("other"))
    newest = store.save(LinearDraft("other"))
    await registry.refresh()
    assert (await registry.load("other")).version == newest
