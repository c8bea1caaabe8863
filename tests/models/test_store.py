"""The store, on a real BentoML store in a temporary folder."""

import os
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import bentoml
import pytest
from bentoml._internal.configuration.containers import BentoMLContainer
from bentoml._internal.models import ModelStore

from errors import ModelError, UnknownVersionError
from models.manifest import Manifest
from models.store import Store
from tests.drafts import LinearDraft


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "models")


@dataclass(frozen=True)
class FailingDraft:
    """Fails half way, as a full disk would make it."""

    name: str = "clf"

    def write(self, folder: Path) -> Manifest:
        (folder / "model.onnx").write_bytes(b"half")
        raise OSError(28, "No space left on device")


def test_an_empty_store_has_no_versions(store: Store) -> None:
    assert store.versions() == []


def test_a_saved_version_is_found(store: Store) -> None:
    version = store.save(LinearDraft())
    assert store.versions() == [version]
    assert version.manifest.labels == tuple(range(10))
    version.artifact.verify()


def test_bentoml_finds_it_too(store: Store, tmp_path: Path) -> None:
    version = store.save(LinearDraft())
    found = bentoml.models.get("clf:latest", _model_store=ModelStore(tmp_path / "models"))
    assert str(found.tag) == version.tag


def test_versions_are_in_order_of_creation(store: Store) -> None:
    saved = [store.save(LinearDraft(name)) for name in ("b", "a", "b")]
    assert store.versions() == [saved[1], saved[0], saved[2]]
    assert store.versions("b") == [saved[0], saved[2]]


def test_the_newest_version_is_champion(store: Store) -> None:
    store.save(LinearDraft())
    newest = store.save(LinearDraft())
    assert store.champion("clf") == newest
    assert store.get("clf") == store.get("clf:champion") == newest
    assert store.champions() == [newest]


def test_a_version_may_be_cut_short(store: Store) -> None:
    version = store.save(LinearDraft())
    assert store.get(version.tag[:-2]) == version


@pytest.mark.parametrize("tag", ["clf:nothing", "other", "clf:", "../clf"])
def test_an_unknown_version(store: Store, tag: str) -> None:
    store.save(LinearDraft("known"))
    with pytest.raises(
        UnknownVersionError, match=r"^(The store has no model|No single version matches) "
    ):
        store.get(tag)


@pytest.mark.parametrize("name", ["x" * 300, "é" * 128, "../models", "a/b", "..", "clf\0", ""])
def test_a_name_that_no_folder_can_have_is_unknown(store: Store, name: str) -> None:
    store.save(LinearDraft())
    assert store.versions(name) == []
    with pytest.raises(UnknownVersionError):
        store.get(f"{name}:champion")


def test_a_save_that_fails_leaves_nothing(store: Store, tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No space"):
        store.save(FailingDraft())
    assert store.versions() == []
    assert not (tmp_path / "models" / "clf").exists()
    assert list((tmp_path / "pupila-staging").iterdir()) == []


@pytest.mark.parametrize("name", ["", "Clf", "a/b", "../x", "a b", "x" * 64, "-a", "ü"])
def test_a_name_that_is_not_valid(store: Store, name: str) -> None:
    with pytest.raises(ModelError, match="is not valid"):
        store.save(LinearDraft(name))


def test_a_deleted_version_is_gone(store: Store) -> None:
    first, second = store.save(LinearDraft()), store.save(LinearDraft())
    store.delete(second)
    assert store.versions() == [first]
    assert store.champion("clf") == first


def test_what_others_keep_in_the_store_is_passed_over(store: Store, tmp_path: Path) -> None:
    with bentoml.models.create("other", _model_store=ModelStore(tmp_path / "models")):
        pass
    assert store.versions() == []


def test_a_version_is_seen_once_it_is_complete(store: Store) -> None:
    version = store.save(LinearDraft())
    manifest = version.path / "manifest.json"
    hidden = manifest.rename(version.path / "hidden")
    fresh = Store(version.path.parent.parent)
    assert fresh.versions() == []
    hidden.rename(manifest)
    assert fresh.versions() == [version]


def test_a_removed_folder_is_a_removed_version(store: Store) -> None:
    version = store.save(LinearDraft())
    shutil.rmtree(version.path)
    assert store.versions() == []


def test_a_version_is_deleted_once(store: Store) -> None:
    version = store.save(LinearDraft())
    store.delete(version)
    with pytest.raises(UnknownVersionError, match="is already deleted"):
        store.delete(version)


def test_bentomls_latest_is_the_newest_that_is_left(store: Store, tmp_path: Path) -> None:
    first, second = store.save(LinearDraft()), store.save(LinearDraft())
    latest = tmp_path / "models" / "clf" / "latest"
    assert latest.read_text() == second.version
    store.delete(second)
    assert latest.read_text() == first.version


def test_others_may_read_what_is_saved(store: Store) -> None:
    version = store.save(LinearDraft())
    assert stat.S_IMODE(version.path.stat().st_mode) == 0o755
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o644 for path in version.path.iterdir())


def test_odd_entries_do_not_hide_the_others(store: Store, tmp_path: Path) -> None:
    version = store.save(LinearDraft())
    model = version.path.parent
    (model / "a").symlink_to("a")
    (model / "bad\nname").mkdir()
    fifo = model / "pipe"
    fifo.mkdir()
    os.mkfifo(fifo / "manifest.json")
    (tmp_path / "models" / "file").write_text("x")
    assert store.versions() == [version]


@pytest.fixture
def bento(tmp_path: Path) -> Iterator[Path]:
    """The store of a Bento, which BentoML uses in this process."""
    packed = tmp_path / "bento" / "models"
    packed.mkdir(parents=True)
    BentoMLContainer.model_store.set(ModelStore(packed))
    yield packed
    BentoMLContainer.model_store.reset()


def test_a_store_in_a_bento_is_read_and_not_written(bento: Path) -> None:
    bundled = Store(bento).save(LinearDraft("packed"))
    store = Store()
    assert store.champion("packed") == bundled
    with pytest.raises(ModelError, match="is part of the Bento"):
        store.delete(bundled)


def test_a_store_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "pupila-staging").write_text("in the way")
    with pytest.raises(ModelError, match="pupila-staging cannot be written"):
        Store(tmp_path / "models").save(LinearDraft())
