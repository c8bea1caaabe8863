"""A worker follows the database, and goes on with what it knew while that is away."""

import json
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from models.store import Store
from models.version import Version
from records.champions import promote, rollback
from records.database import Database
from records.rollouts import finish, move, start
from records.workers import alive
from serving.recording.connection import RecordsConnection
from serving.routing.registry import Registry
from serving.routing.watch import RoutingWatch
from settings import Settings
from tests.databases import Postgres, postgres_server
from tests.drafts import LinearDraft

WHO: dict[str, Any] = {"actor": "ada", "because": "why not"}


@dataclass
class Worker:
    registry: Registry
    watch: RoutingWatch

    async def answers(self) -> str:
        await self.watch.refresh()
        engine = self.registry.loaded("clf")
        return engine.version.version if engine is not None else ""


class House:
    def __init__(self, folder: Path, url: str | None = None) -> None:
        self.settings = Settings(home=folder / "home", refresh_ms=60_000, database_url=url)
        self.store = Store(folder / "models")
        self.versions: list[Version] = [self.store.save(LinearDraft()) for _ in range(3)]
        self.a, self.b, self.c = (version.version for version in self.versions)
        self.remembered = self.settings.home / "known-aliases.json"

    def database(self) -> Database:
        database = Database.of(self.settings, create=True)
        database.prepare()
        return database

    def promote(self, version: str) -> None:
        with self.database() as database:
            promote(database, "clf", version, answering=self.c, **WHO)

    def take_away(self) -> None:
        """A folder in the database's place cannot be opened."""
        for path in self.settings.home.glob("records.db*"):
            path.rename(path.with_name(f"away-{path.name}"))
        (self.settings.home / "records.db").mkdir()

    def bring_back(self) -> None:
        (self.settings.home / "records.db").rmdir()
        for path in self.settings.home.glob("away-*"):
            path.rename(path.with_name(path.name.removeprefix("away-")))

    @asynccontextmanager
    async def worker(self, **changes: Any) -> AsyncIterator[Worker]:
        """As a server starts."""
        settings = self.settings.model_copy(update=changes)
        records = RecordsConnection(settings)
        registry = Registry(self.store, settings)
        watch = RoutingWatch(settings, records, registry)
        await watch.refresh()
        async with registry.watching():
            yield Worker(registry, watch)
        records.close()


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with postgres_server() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def any_house(request: pytest.FixtureRequest, tmp_path: Path) -> House:
    if request.param == "sqlite":
        return House(tmp_path)
    server: Postgres = request.getfixturevalue("postgres")
    return House(tmp_path, server.database())


async def test_what_was_saved_a_moment_before_it_was_decided_on_answers(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    house = House(tmp_path)
    async with house.worker() as worker:
        new = house.store.save(LinearDraft()).version
        house.promote(new)
        assert await worker.answers() == new
    assert "cannot answer here" not in caplog.text


async def test_it_follows_every_decision(any_house: House) -> None:
    house = any_house
    async with house.worker() as worker:
        assert await worker.answers() == house.c
        house.promote(house.a)
        assert await worker.answers() == house.a
        house.promote(house.b)
        assert await worker.answers() == house.b
        with house.database() as database:
            rollback(database, "clf", **WHO)
        assert await worker.answers() == house.a


async def test_it_follows_a_rollout(any_house: House) -> None:
    house = any_house
    async with house.worker() as worker:
        with house.database() as database:
            begun = start(
                database, "clf", house.a, answering=house.c, shadow=0.1, rule={"n": 1}, **WHO
            )
            assert await worker.answers() == house.c
            trial = worker.registry.trials.running["clf"]
            assert trial.rollout == begun
            move(database, begun, "canary", 0.05, **WHO)
            await worker.watch.refresh()
            moved = worker.registry.trials.running["clf"].rollout
            assert (moved.stage, moved.share) == ("canary", 0.05)
            finish(database, moved, "gain", **WHO)
        assert await worker.answers() == house.a
        assert not worker.registry.trials.running


async def test_a_database_that_is_away_changes_nothing(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    async with house.worker() as worker:
        house.promote(house.a)
        assert await worker.answers() == house.a
        house.take_away()
        with caplog.at_level(logging.WARNING, "pupila.routing"):
            for _ in range(3):
                assert await worker.answers() == house.a
        assert caplog.text.count("the aliases cannot be read") == 1


async def test_a_restart_without_the_database(house: House) -> None:
    async with house.worker() as worker:
        house.promote(house.a)
        await worker.answers()
    house.take_away()
    async with house.worker() as worker:
        assert await worker.answers() == house.a
        house.bring_back()
        worker.watch._records._retry_at = 0.0
        house.promote(house.b)
        assert await worker.answers() == house.b


async def test_a_restart_in_the_middle_of_a_rollout_without_the_database(house: House) -> None:
    async with house.worker() as worker:
        with house.database() as database:
            begun = start(database, "clf", house.a, answering=house.c, shadow=0, rule={}, **WHO)
            move(database, begun, "canary", 0.25, **WHO)
        await worker.answers()
    house.take_away()
    async with house.worker() as worker:
        assert await worker.answers() == house.c
        assert worker.registry.trials.running["clf"].rollout.share == 0.25


async def test_an_empty_database_takes_nothing_back(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    async with house.worker() as worker:
        house.promote(house.a)
        assert await worker.answers() == house.a
        for path in house.settings.home.glob("records.db*"):
            path.unlink()
        worker.watch._records.close()
        with caplog.at_level(logging.WARNING, "pupila.routing"):
            for _ in range(3):
                assert await worker.answers() == house.a
    assert caplog.text.count("the database has no decisions, but this server knew some") == 1
    async with house.worker() as worker:
        assert await worker.answers() == house.a, "nor after a restart"
        house.promote(house.b)
        assert await worker.answers() == house.b


async def test_without_any_memory_it_is_as_before(house: House) -> None:
    house.settings.home.mkdir()
    house.take_away()
    async with house.worker() as worker:
        assert await worker.answers() == house.c


@pytest.mark.parametrize("content", ["", "{", "[]", '{"decision": 1}', "\x00"])
async def test_a_memory_that_is_spoiled(house: House, content: str) -> None:
    house.settings.home.mkdir()
    house.take_away()
    house.remembered.write_text(content)
    async with house.worker() as worker:
        assert await worker.answers() == house.c


async def test_a_memory_that_cannot_be_written(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    house.settings.home.mkdir()
    house.remembered.mkdir()
    house.promote(house.a)
    with caplog.at_level(logging.WARNING, "pupila.routing"):
        async with house.worker() as worker:
            assert await worker.answers() == house.a
    assert caplog.text.count("a restart without the database would not know the aliases") == 1


async def test_without_records_there_are_no_aliases(house: House) -> None:
    house.promote(house.a)
    async with house.worker(record=False) as worker:
        assert await worker.answers() == house.c
        async with worker.watch.running():
            pass
    with house.database() as database:
        assert not alive(database)


async def test_without_records_but_with_a_database_there_are(house: House) -> None:
    house.promote(house.a)
    url = f"sqlite:///{house.settings.home / 'records.db'}"
    async with house.worker(record=False, database_url=url) as worker:
        assert await worker.answers() == house.a


async def test_it_says_what_it_has(any_house: House) -> None:
    house = any_house
    spoiled = house.store.save(LinearDraft())
    (spoiled.path / "model.onnx").write_bytes(b"spoiled")
    async with house.worker() as worker, worker.watch.running():
        house.promote(house.a)
        await worker.answers()
        await worker.watch.report()
        with house.database() as database:
            [one] = alive(database)
        assert one.versions == {version.tag for version in house.versions}
        assert one.decision == 2, "the champion before, and the promotion"
        saved = house.store.save(LinearDraft())
        await worker.registry.refresh()
        await worker.watch.report()
        with house.database() as database:
            [one] = alive(database)
            assert saved.tag in one.versions
    with house.database() as database:
        assert not alive(database), "it signed off"


async def test_what_it_remembers_is_the_last_decision(house: House) -> None:
    async with house.worker() as worker:
        for version in (house.a, house.b):
            house.promote(version)
            await worker.answers()
    content = json.loads(house.remembered.read_text())
    assert content["decision"] == 3
    assert content["models"]["clf"]["champion"] == house.b
