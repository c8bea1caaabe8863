"""The registry, over real stores of small real versions."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from errors import BadRequestError, InternalError
from models.store import Store
from models.version import Version
from serving.inference.registry import Registry
from settings import Settings
from tests.drafts import LinearDraft
from tests.waiting import until_async

SETTINGS = Settings(max_loaded_versions=2, refresh_ms=50)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "models")


@pytest.fixture
async def registry(store: Store) -> AsyncIterator[Registry]:
    registry = Registry(store, SETTINGS)
    async with registry.watching():
        yield registry


def spoil(version: Version) -> None:
    (version.path / "model.onnx").write_bytes(b"spoiled")


async def test_an_empty_store_is_not_ready_and_says_what_to_do(registry: Registry) -> None:
    readiness = registry.readiness()
    assert not readiness.ready
    assert readiness.reason == (
        "The store has no model 'clf'; train one with: python -m train --name clf"
    )


async def test_the_default_model_is_loaded_by_itself(registry: Registry, store: Store) -> None:
    version = store.save(LinearDraft())
    await registry.refresh()
    assert registry.readiness().ready
    engine = registry.loaded("clf")
    assert engine is not None
    assert engine.version == version


@pytest.mark.parametrize("model", ["clf", "clf:champion", "clf.pickle", "clf.pickle:champion"])
async def test_the_names_of_a_champion(registry: Registry, store: Store, model: str) -> None:
    store.save(LinearDraft())
    newest = store.save(LinearDraft())
    await registry.refresh()
    assert (await registry.load(model)).version == newest


async def test_every_version_can_be_asked_for(registry: Registry, store: Store) -> None:
    saved = [store.save(LinearDraft(name)) for name in ("clf", "clf", "other")]
    await registry.refresh()
    for version in saved:
        assert (await registry.load(version.tag)).version == version


@pytest.mark.parametrize(
    "model", ["other", "clf:", "clf:nothing", "clf:challenger", ":", "CLF", "../clf", "clf:a:b"]
)
async def test_what_is_not_there(registry: Registry, store: Store, model: str) -> None:
    store.save(LinearDraft())
    await registry.refresh()
    assert registry.loaded(model) is None
    with pytest.raises(BadRequestError, match=r"^Invalid model name$"):
        await registry.load(model)


async def test_a_new_version_takes_over_by_itself(registry: Registry, store: Store) -> None:
    store.save(LinearDraft())
    await registry.refresh()
    newest = store.save(LinearDraft())

    def took_over() -> bool:
        engine = registry.loaded("clf")
        assert engine is not None, "there is an answer at every moment"
        return engine.version == newest

    await until_async(took_over)


async def test_a_version_that_does_not_load_never_takes_over(
    registry: Registry, store: Store
) -> None:
    good = store.save(LinearDraft())
    await registry.refresh()
    spoiled = store.save(LinearDraft())
    spoil(spoiled)
    await registry.refresh()
    engine = registry.loaded("clf")
    assert engine is not None
    assert engine.version == good
    with pytest.raises(InternalError, match=f"{spoiled.tag} cannot be loaded"):
        await registry.load(spoiled.tag)


async def test_not_ready_while_no_version_loads(registry: Registry, store: Store) -> None:
    spoil(store.save(LinearDraft()))
    await registry.refresh()
    readiness = registry.readiness()
    assert not readiness.ready
    assert "is not the file that was saved" in readiness.reason
    with pytest.raises(InternalError, match="cannot be loaded"):
        await registry.load("clf")


async def test_a_version_is_loaded_once_for_all_who_ask(registry: Registry, store: Store) -> None:
    store.save(LinearDraft("other"))
    await registry.refresh()
    engines = await asyncio.gather(*(registry.load("other") for _ in range(10)))
    assert len({id(engine) for engine in engines}) == 1


async def test_who_leaves_does_not_end_the_load_of_others(registry: Registry, store: Store) -> None:
    version = store.save(LinearDraft("other"))
    await registry.refresh()
    leaving = asyncio.create_task(registry.load("other"))
    staying = asyncio.create_task(registry.load("other"))
    await asyncio.sleep(0)
    leaving.cancel()
    assert (await staying).version == version


async def test_the_least_recently_used_version_goes(registry: Registry, store: Store) -> None:
    names = ("clf", "a", "b")
    for name in names:
        store.save(LinearDraft(name))
    await registry.refresh()
    for name in names[1:]:
        await registry.load(name)
    assert registry.loaded("a") is None
    assert registry.loaded("b") is not None
    assert registry.loaded("clf") is not None, "the default model's champion stays"
    assert (await registry.load("a")).version.name == "a"
    assert registry.loaded("b") is None


async def test_a_deleted_version_is_no_longer_served(registry: Registry, store: Store) -> None:
    first, second = store.save(LinearDraft()), store.save(LinearDraft())
    await registry.refresh()
    await registry.load(second.tag)
    store.delete(second)
    await registry.refresh()
    assert (await registry.load("clf")).version == first
    with pytest.raises(BadRequestError):
        await registry.load(second.tag)


async def test_a_deleted_model_is_no_longer_served(registry: Registry, store: Store) -> None:
    version = store.save(LinearDraft())
    await registry.refresh()
    store.delete(version)
    await registry.refresh()
    assert registry.loaded("clf") is None
    assert not registry.readiness().ready


async def test_the_labels_are_those_of_who_answers(registry: Registry, store: Store) -> None:
    store.save(LinearDraft("clf", labels=("a", "b")))
    store.save(LinearDraft("clf", labels=("a", "b", "c")))
    store.save(LinearDraft("other", labels=(1, 2)))
    await registry.refresh()
    assert registry.labels("clf") == ("a", "b", "c")
    assert registry.labels("other") == (1, 2)
    assert registry.labels("nothing") is None


async def test_the_catalog_lists_all(registry: Registry, store: Store) -> None:
    first, second = store.save(LinearDraft()), store.save(LinearDraft())
    other = store.save(LinearDraft("other"))
    await registry.refresh()
    assert registry.catalog() == [
        ("clf", second.tag, [(first, False), (second, True)]),
        ("other", other.tag, [(other, False)]),
    ]


async def test_a_moment_when_the_store_cannot_be_read_takes_nothing_away(
    registry: Registry, store: Store
) -> None:
    version = store.save(LinearDraft())
    await registry.refresh()
    root = version.path.parent.parent
    hidden = root.rename(root.with_name("hidden"))
    root.symlink_to(root.name)  # a link to itself: neither there nor absent
    with pytest.raises(OSError, match="symbolic links"):
        await registry.refresh()
    assert registry.readiness().ready
    root.unlink()
    hidden.rename(root)
    await registry.refresh()
    assert registry.loaded("clf") is not None


async def test_watching_survives_what_goes_wrong(store: Store, tmp_path: Path) -> None:
    (tmp_path / "models").symlink_to("models")
    registry = Registry(store, SETTINGS)
    async with registry.watching():
        (tmp_path / "models").unlink()
        store.save(LinearDraft())
        await until_async(lambda: registry.loaded("clf"))


async def test_the_catalog_names_no_champion_that_is_gone(registry: Registry, store: Store) -> None:
    first, second = store.save(LinearDraft("other")), store.save(LinearDraft("other"))
    await registry.refresh()
    await registry.load("other")
    store.delete(second)
    await registry.refresh()
    assert registry.catalog()[0].champion == first.tag


async def test_using_a_version_keeps_it(store: Store) -> None:
    registry = Registry(store, Settings(max_loaded_versions=3, refresh_ms=60_000))
    for name in ("clf", "a", "b", "c"):
        store.save(LinearDraft(name))
    async with registry.watching():
        await registry.load("a")
        await registry.load("b")
        assert registry.loaded("a") is not None
        await registry.load("c")
        assert registry.loaded("a") is not None
        assert registry.loaded("b") is None


async def test_a_version_that_does_not_load_is_left_alone_for_a_while(
    registry: Registry, store: Store
) -> None:
    version = store.save(LinearDraft("other"))
    good = (version.path / "model.onnx").read_bytes()
    spoil(version)
    await registry.refresh()
    for _ in range(2):
        with pytest.raises(InternalError):
            await registry.load("other")
        (version.path / "model.onnx").write_bytes(good)
