"""A store that is told who has an alias."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from errors import UnknownVersionError
from models.store import Store
from models.version import Version
from tests.drafts import LinearDraft


@dataclass(frozen=True)
class Pointer:
    champion: str
    challenger: str | None = None


@pytest.fixture
def aliases() -> dict[str, Pointer]:
    return {}


@pytest.fixture
def store(tmp_path: Path, aliases: Mapping[str, Pointer]) -> Store:
    return Store(tmp_path / "models", aliases=lambda: aliases)


@pytest.fixture
def versions(store: Store) -> list[Version]:
    return [store.save(LinearDraft()) for _ in range(3)]


def test_without_an_alias_the_newest_version_answers(store: Store, versions: list[Version]) -> None:
    assert store.champion("clf") == versions[-1]


def test_the_alias_decides(
    store: Store, versions: list[Version], aliases: dict[str, Pointer]
) -> None:
    other = store.save(LinearDraft("other"))
    aliases["clf"] = Pointer(versions[0].version)
    assert store.champion("clf") == versions[0]
    assert store.get("clf") == store.get("clf:champion") == versions[0]
    assert store.champions() == [versions[0], other]


def test_a_change_is_seen_at_once(
    store: Store, versions: list[Version], aliases: dict[str, Pointer]
) -> None:
    for version in versions:
        aliases["clf"] = Pointer(version.version)
        assert store.champion("clf") == version


def test_a_champion_that_is_not_here_is_named_once_and_the_newest_taken(
    store: Store,
    versions: list[Version],
    aliases: dict[str, Pointer],
    caplog: pytest.LogCaptureFixture,
) -> None:
    aliases["clf"] = Pointer("lost")
    assert store.champion("clf") == store.get("clf:champion") == versions[-1]
    assert store.champions() == [versions[-1]]
    (line,) = caplog.messages
    assert line == (
        "the champion clf:lost is not in this store: the newest version "
        f"{versions[-1].version} is taken for it"
    )


def test_a_challenger_is_there_while_there_is_one(
    store: Store, versions: list[Version], aliases: dict[str, Pointer]
) -> None:
    aliases["clf"] = Pointer(versions[0].version, versions[1].version)
    assert store.get("clf:challenger") == versions[1]
    aliases["clf"] = Pointer(versions[0].version)
    with pytest.raises(UnknownVersionError, match="'clf' has no challenger"):
        store.get("clf:challenger")
    with pytest.raises(UnknownVersionError, match="'other' has no challenger"):
        store.get("other:challenger")


def test_a_challenger_that_is_not_here_is_not_replaced(
    store: Store, versions: list[Version], aliases: dict[str, Pointer]
) -> None:
    aliases["clf"] = Pointer(versions[0].version, "lost")
    with pytest.raises(UnknownVersionError, match="challenger clf:lost is not in this store"):
        store.get("clf:challenger")
