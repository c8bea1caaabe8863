"""The registry, over real stores of small real versions."""

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from errors import BadRequestError, InternalError, OverloadedError
from models.artifact import Artifact
from models.runtime import Runtime
from models.signature import PrivateKey, TrustedKeys
from models.signing import sign
from models.store import Store
from models.version import Version
from serving.metrics import VERSIONS_REFUSED
from serving.routing.registry import Listing, Registry
from settings import Settings
from tests.drafts import LinearDraft
from tests.waiting import PATIENCE_SECONDS, until_async

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
    refused = VERSIONS_REFUSED._value.get()
    await registry.refresh()
    assert VERSIONS_REFUSED._value.get() == refused + 1
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
        Listing("clf", second.tag, [(first, False), (second, True)]),
        Listing("other", other.tag, [(other, False)]),
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


async def test_no_model_is_said_to_be_missing_until_the_store_was_read(
    store: Store, tmp_path: Path
) -> None:
    (tmp_path / "models").symlink_to("models")
    registry = Registry(store, SETTINGS)
    async with registry.watching():
        assert "could not be read" in registry.readiness().reason
        with pytest.raises(OverloadedError, match="could not be read"):
            await registry.load("clf")
        with pytest.raises(OverloadedError, match="could not be read"):
            registry.labels("clf")
        with pytest.raises(OverloadedError, match="could not be read"):
            registry.find("clf")
        (tmp_path / "models").unlink()
        await registry.refresh()
        assert "train one" in registry.readiness().reason
        with pytest.raises(BadRequestError):
            await registry.load("clf")


async def test_watching_survives_what_goes_wrong(store: Store, tmp_path: Path) -> None:
    (tmp_path / "models").symlink_to("models")
    registry = Registry(store, SETTINGS)
    async with registry.watching():
        (tmp_path / "models").unlink()
        store.save(LinearDraft())
        await until_async(lambda: registry.loaded("clf"))


async def test_a_store_that_cannot_be_read_is_told_once(
    store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "models").symlink_to("models")
    registry = Registry(store, SETTINGS)
    for _ in range(3):
        await registry._try_refresh()
    (tmp_path / "models").unlink()
    for _ in range(3):
        await registry._try_refresh()
    failed, again = (record.getMessage() for record in caplog.records)
    assert failed.startswith(
        "the check for new versions failed, and loaded versions keep answering"
    )
    assert again == "new versions are looked for again"


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


@dataclass(frozen=True)
class Stalled(Artifact):
    """On a disk that does not answer before ``answers`` is set."""

    answers: threading.Event = field(default_factory=threading.Event)

    def open(self) -> Runtime:
        self.answers.wait(PATIENCE_SECONDS)
        return super().open()


class Stalling(Store):
    """A store, one version of which, or all of which, do not answer for a while."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.stalled: Version | None = None
        self.answers = threading.Event()
        self.absent = threading.Event()
        self.absent.set()

    def stall(self, version: Version) -> None:
        artifact = version.artifact
        fields = (artifact.path, artifact.manifest, artifact.sha256, artifact.content)
        slow = Stalled(*fields, answers=self.answers)
        self.stalled = Version(version.name, version.version, version.path)
        vars(self.stalled)["artifact"] = slow

    def versions(self, name: str | None = None) -> list[Version]:
        self.absent.wait(PATIENCE_SECONDS)
        found = super().versions(name)
        return [self.stalled if v == self.stalled and self.stalled else v for v in found]


@pytest.fixture
def stalling(tmp_path: Path) -> Iterator[Stalling]:
    store = Stalling(tmp_path / "models")
    yield store
    store.answers.set()
    store.absent.set()


async def test_a_version_that_does_not_answer_keeps_no_other_waiting(stalling: Stalling) -> None:
    good = stalling.save(LinearDraft())
    registry = Registry(stalling, SETTINGS)
    async with registry.watching():
        stalled = stalling.save(LinearDraft())
        stalling.stall(stalled)
        other = stalling.save(LinearDraft("other"))
        await until_async(lambda: registry.labels("other"))
        assert (await registry.load("other")).version == other
        assert (await registry.load("clf")).version == good
        newer = stalling.save(LinearDraft())
        await until_async(lambda: (e := registry.loaded("clf")) and e.version == newer)


async def test_a_version_that_answers_late_counts(stalling: Stalling) -> None:
    good = stalling.save(LinearDraft())
    late = stalling.save(LinearDraft())
    stalling.stall(late)
    registry = Registry(stalling, SETTINGS)
    async with registry.watching():
        engine = registry.loaded("clf")
        assert engine is not None, "the version before it answers"
        assert engine.version == good
        with pytest.raises(InternalError, match="cannot be loaded"):
            await registry.load(late.tag)
        stalling.answers.set()
        await until_async(lambda: (e := registry.loaded("clf")) and e.version == late)


async def test_a_store_that_does_not_answer_takes_nothing_away(
    stalling: Stalling, tmp_path: Path
) -> None:
    good = stalling.save(LinearDraft())
    registry = Registry(stalling, SETTINGS)
    async with registry.watching():
        stalling.absent.clear()
        for _ in range(2):
            with pytest.raises(TimeoutError, match="the store has not answered"):
                await registry.refresh(patience=0.01)
        assert registry.loaded("clf")
        newer = Store(tmp_path / "models").save(LinearDraft())
        assert good != newer
        stalling.absent.set()
        await until_async(lambda: (e := registry.loaded("clf")) and e.version == newer)


async def test_a_pipe_in_place_of_a_graph(registry: Registry, store: Store) -> None:
    store.save(LinearDraft())
    broken = store.save(LinearDraft())
    (broken.path / "model.onnx").unlink()
    os.mkfifo(broken.path / "model.onnx")
    newest = store.save(LinearDraft())
    await registry.refresh()
    assert (await registry.load("clf")).version == newest
    with pytest.raises(InternalError, match="cannot be loaded"):
        await registry.load(broken.tag)


async def test_who_signed_a_version_decides_whether_it_answers(tmp_path: Path) -> None:
    key = PrivateKey.generate()
    store = Store(tmp_path / "models", TrustedKeys((key.public(""),)))
    signed = store.save(LinearDraft())
    sign(store, signed, key)
    unsigned = store.save(LinearDraft())
    registry = Registry(store, SETTINGS)
    async with registry.watching():
        engine = registry.loaded("clf")
        assert engine is not None
        assert engine.version == signed
        with pytest.raises(InternalError, match="cannot be loaded"):
            await registry.load(unsigned.tag)
