import os
import time
from pathlib import Path

import pytest

from models.look import Look, stamp
from models.store import Store
from tests.drafts import LinearDraft

LONG_AGO = 1_700_000_000


def settle(root: Path) -> None:
    """As if nothing had changed for years."""
    for folder in (root, *(path for path in root.iterdir() if path.is_dir())):
        os.utime(folder, (LONG_AGO, LONG_AGO))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "models")
    store.save(LinearDraft("a"))
    store.save(LinearDraft("b"))
    settle(tmp_path / "models")
    return store


def test_a_store_that_has_not_changed_has_the_same_stamp(store: Store, tmp_path: Path) -> None:
    before = stamp([tmp_path / "models"])
    assert before is not None
    assert stamp([tmp_path / "models"]) == before
    (tmp_path / "models" / "a" / "another").mkdir()
    os.utime(tmp_path / "models" / "a", (LONG_AGO + 60, LONG_AGO + 60))
    assert stamp([tmp_path / "models"]) not in (None, before)


def test_what_has_changed_just_now_has_none(store: Store, tmp_path: Path) -> None:
    os.utime(tmp_path / "models" / "b")
    assert stamp([tmp_path / "models"]) is None


def test_a_store_that_is_not_there_has_an_empty_one(tmp_path: Path) -> None:
    assert stamp([tmp_path / "missing"]) == ()


def test_a_look_holds_for_a_while(store: Store, tmp_path: Path) -> None:
    found = stamp([tmp_path / "models"])
    assert Look(found).holds(found)
    assert not Look(found).holds(None)
    assert not Look(None).holds(None)
    earlier = Look(found, at=time.monotonic() - 11)
    assert not earlier.holds(found)


def test_versions_that_come_and_go_are_seen(store: Store, tmp_path: Path) -> None:
    first = store.versions()
    assert store.versions() == first
    added = store.save(LinearDraft("a", seed=1))
    assert added.tag in {one.tag for one in store.versions()}
    settle(tmp_path / "models")
    store.versions()
    Store(tmp_path / "models").delete(first[0])
    assert first[0].tag not in {one.tag for one in store.versions()}


def test_a_version_that_is_not_complete_is_looked_at_again(store: Store, tmp_path: Path) -> None:
    version = store.versions()[0]
    manifest = version.path / "manifest.json"
    content = manifest.read_bytes()
    manifest.unlink()
    fresh = Store(tmp_path / "models")
    settle(tmp_path / "models")
    assert version.tag not in {one.tag for one in fresh.versions()}
    manifest.write_bytes(content)
    settle(tmp_path / "models")
    assert version.tag in {one.tag for one in fresh.versions()}
