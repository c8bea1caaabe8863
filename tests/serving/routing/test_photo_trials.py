"""A champion and a challenger on one extractor: one pass serves both."""

import base64
import contextlib
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from prometheus_client import REGISTRY

from errors import DatabaseError
from models.manifest import Manifest
from models.store import Store
from models.version import Version
from tests.drafts import LinearDraft
from tests.extractors import DIMENSION, SPEC, saved_extractor, saved_photos_version
from tests.serving.routing.house import House, Open, houses, query
from tests.waiting import until_async


@dataclass(frozen=True)
class Again:
    """Writes what a version of another store has."""

    version: Version

    @property
    def name(self) -> str:
        return self.version.name

    def write(self, folder: Path) -> Manifest:
        shutil.copytree(self.version.path, folder, dirs_exist_ok=True)
        (folder / "model.yaml").unlink()
        return self.version.manifest


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Again]]:
    """A store, and two versions on one extractor, and one on another."""
    folder = tmp_path_factory.mktemp("saved") / "models"
    store = Store(folder)
    first = saved_extractor(store)
    second = saved_extractor(store, "other", source="elsewhere")
    made = [(first, 1), (first, 2), (second, 3)]
    versions = [saved_photos_version(store, of, "clf", seed) for of, seed in made]
    return folder, [Again(version) for version in versions]


@pytest.fixture
def house(tmp_path: Path, saved: tuple[Path, list[Again]]) -> Open:
    for name in ("tiny", "other"):
        shutil.copytree(saved[0] / name, tmp_path / "models" / name)
    return houses(tmp_path)


@pytest.fixture
def two(saved: tuple[Path, list[Again]]) -> list[Again]:
    """On the same extractor."""
    return saved[1][:2]


@pytest.fixture
def other(saved: tuple[Path, list[Again]]) -> Again:
    """On an extractor of its own."""
    return saved[1][2]


def passes(it: House) -> float:
    """Of all extractors, with how many images whatever."""
    tags = {f"{ref.name}:{ref.version}" for ref in map(_extractor, (it.champion, it.challenger))}
    counts = (
        REGISTRY.get_sample_value("pupila_extractor_batch_size_count", {"extractor": tag})
        for tag in tags
    )
    return sum(count or 0.0 for count in counts)


def _extractor(version: Any) -> Any:
    return version.manifest.extractor


async def idle(it: House) -> None:
    await until_async(lambda: not it.trial._shadow._jobs and not it.recorder._pairs._expected)


async def settled(it: House, *request_ids: str) -> None:
    """They are written; a busy machine takes longer over that than a request would wait."""
    while True:
        with contextlib.suppress(DatabaseError):
            return await it.recorder.settle(set(request_ids))


async def test_a_pair_in_the_shadow_costs_one_pass(house: Open, two: list[Again]) -> None:
    async with house(*two, shadow_cpu=1) as it:
        await it.follow(stage="shadow", share=0.0, shadow=1.0)
        before = passes(it)
        for number in range(3):
            status, _, tag = await it.ask(query(number))
            assert (status, tag) == (200, it.champion.tag)
            await idle(it)
        await settled(it, "0", "1", "2")
        assert len(it.rows("select * from pairs where failure is null")) == 3
        # The same image each time: what is to be paired is never answered from memory.
        assert passes(it) == before + 3


async def test_who_is_asked_second_gets_the_embedding_of_the_first(
    house: Open, two: list[Again]
) -> None:
    async with house(*two) as it:
        await it.follow(share=1.0)
        before = passes(it)
        assert (await it.ask(query()))[2] == it.challenger.tag
        assert passes(it) == before + 1


async def test_the_items_of_a_batch_cost_a_pass_each_at_the_most(
    house: Open, two: list[Again]
) -> None:
    async with house(*two, shadow_cpu=1) as it:
        await it.follow(share=0.5, shadow=1.0)
        before = passes(it)
        items = [query(number) for number in range(8)]
        status, body, _ = await it.ask({"model": "clf", "items": items})
        assert status == 200
        assert all("prediction" in item for item in body["items"])
        await idle(it)
        assert passes(it) <= before + 8


async def test_without_a_rollout_the_same_image_is_answered_from_memory(
    house: Open, two: list[Again]
) -> None:
    async with house(*two) as it:
        await it.follow(stage="shadow", share=0.0, shadow=0.0)
        before = passes(it)
        for number in range(3):
            await it.ask(query(number))
        assert passes(it) == before + 1
        await settled(it, "0", "1", "2")
        assert it.rows("select count(distinct request_id) from predictions") == [(3,)]


async def test_while_the_challenger_answers_a_share_nobody_answers_from_memory(
    house: Open, two: list[Again]
) -> None:
    async with house(*two) as it:
        await it.follow(share=1e-9)
        before = passes(it)
        for number in range(3):
            assert (await it.ask(query(number)))[2] == it.champion.tag
        assert passes(it) == before + 3


async def test_the_embedding_that_a_client_gets_is_the_challengers_too(
    house: Open, two: list[Again]
) -> None:
    async with house(*two) as it:
        await it.follow(share=1.0)
        status, body, tag = await it.ask(query(embedding=True))
        assert (status, tag) == (200, it.challenger.tag)
        numbers = np.frombuffer(base64.b64decode(body["embedding"]), "<f4")
        assert numbers.shape == (DIMENSION,)


async def test_embeddings_of_two_extractors_are_not_mixed(
    house: Open, two: list[Again], other: Again
) -> None:
    async with house(other, two[0]) as it:
        await it.follow(share=1.0)
        assert not it.trial.same_spec
        assert (await it.ask(query()))[2] == it.challenger.tag
        assert (await it.ask(query(embedding=True)))[2] == it.champion.tag


async def test_a_challenger_on_pixels(house: Open, two: list[Again]) -> None:
    pixels = LinearDraft(spec=SPEC, labels=("blue", "green", "red"), answer="red")
    async with house(pixels, two[0], shadow_cpu=1) as it:
        await it.follow(stage="shadow", share=0.0, shadow=1.0)
        assert (await it.ask(query()))[2] == it.champion.tag
        await idle(it)
        await settled(it, "1")
        assert it.rows("select label, failure from pairs") == [('"red"', None)]
        status, body, _ = await it.ask(query(model="clf:challenger", embedding=True))
        assert status == 400
        assert "has no feature extractor" in body["detail"]
