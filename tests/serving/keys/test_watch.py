"""A worker's keyring follows the database or the file, and never opens by accident."""

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from errors import KeysError, UnauthorizedError
from records.database import Database
from records.key import Key
from records.keyfile import write_keys
from records.keys import add_usage, create, revoke, usage
from serving.keys.keyring import Keyring
from serving.keys.watch import KeyWatch, opening
from serving.recording.connection import RecordsConnection
from settings import Settings
from tests.serving.keys.made import YESTERDAY, made


class Worker:
    """One worker's keyring, as it starts."""

    def __init__(self, settings: Settings) -> None:
        self.ring = Keyring(required=settings.is_closed)
        self.records = RecordsConnection(settings)
        self.watch = KeyWatch(settings, self.records, self.ring, 1)

    def knows(self, secret: str) -> bool:
        try:
            return self.ring.find(secret.encode()) is not None
        except UnauthorizedError:
            return False


class House:
    def __init__(self, folder: Path) -> None:
        self.settings = Settings(home=folder / "home")
        self.workers: list[Worker] = []

    async def start(self, **changes: Any) -> Worker:
        worker = Worker(self.settings.model_copy(update=changes))
        self.workers.append(worker)
        await worker.watch.refresh()
        return worker

    def database(self) -> Database:
        database = Database.of(self.settings, create=True)
        database.prepare()
        return database

    def create(self, key: Key) -> None:
        with self.database() as database:
            create(database, key)

    def take_away(self) -> None:
        """A folder in the database's place cannot be opened."""
        for path in self.settings.home.glob("records.db*"):
            path.rename(path.with_name(f"away-{path.name}"))
        (self.settings.home / "records.db").mkdir()


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made_house = House(tmp_path)
    yield made_house
    for worker in made_house.workers:
        worker.records.close()


async def test_a_new_key_is_known_at_the_next_look(house: House) -> None:
    worker = await house.start()
    states = [worker.ring.closed]
    secret, key = made()
    house.create(key)
    await worker.watch.refresh()
    states.append(worker.ring.closed)
    assert states == [False, True]
    assert worker.knows(secret)


async def test_the_last_key_is_revoked_and_nobody_gets_in(house: House) -> None:
    secret, key = made()
    house.create(key)
    worker = await house.start()
    assert worker.knows(secret)
    with house.database() as database:
        revoke(database, key.name)
    await worker.watch.refresh()
    with pytest.raises(UnauthorizedError, match="was revoked"):
        worker.ring.find(secret.encode()).admit("predict")
    assert (await house.start()).ring.closed


async def test_a_database_that_goes_away_changes_nothing(house: House) -> None:
    secret, key = made()
    house.create(key)
    worker = await house.start()
    house.take_away()
    await worker.watch.refresh()
    assert worker.ring.closed
    assert worker.knows(secret)


async def test_a_restart_while_the_database_is_away(house: House) -> None:
    secret, key = made()
    house.create(key)
    await house.start()
    house.take_away()
    again = await house.start()
    assert again.ring.closed
    assert again.knows(secret)
    assert not again.knows(made()[0])


async def test_a_restart_with_a_database_that_is_new(house: House) -> None:
    secret, key = made()
    house.create(key)
    await house.start()
    for path in house.settings.home.glob("records.db*"):
        path.unlink()
    again = await house.start()
    assert again.ring.closed
    assert again.knows(secret)
    other_secret, other = made("other")
    house.create(other)
    await again.watch.refresh()
    assert again.knows(other_secret)
    assert not again.knows(secret)


async def test_a_copy_that_is_lost_still_closes(house: House) -> None:
    secret, key = made()
    house.create(key)
    await house.start()
    house.take_away()
    (house.settings.home / "known-keys").write_text("half a li")
    again = await house.start()
    assert again.ring.closed
    assert not again.knows(secret)


async def test_required_keys_and_no_database_at_the_start(house: House) -> None:
    house.settings.home.mkdir()
    house.take_away()
    worker = await house.start(require_keys=True)
    assert worker.ring.closed
    assert not worker.ring.is_read


async def test_a_server_that_never_had_keys_stays_open_without_its_database(house: House) -> None:
    house.settings.home.mkdir()
    house.take_away()
    assert not (await house.start()).ring.closed


async def test_a_file_is_followed(house: House, tmp_path: Path) -> None:
    path = tmp_path / "keys"
    secret, key = made()
    write_keys(path, [])
    worker = await house.start(keys_file=path, record=False)
    assert worker.ring.closed
    assert not worker.knows(secret)
    write_keys(path, [key])
    await worker.watch.refresh()
    assert worker.knows(secret)
    assert not (house.settings.home / "records.db").exists()


async def test_a_file_that_breaks_is_said_once_and_changes_nothing(
    house: House, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "keys"
    secret, key = made()
    write_keys(path, [key])
    worker = await house.start(keys_file=path)
    with caplog.at_level(logging.WARNING, "pupila.keys"):
        for content in ("broken", None):
            path.write_text(content) if content else path.unlink()
            caplog.clear()
            await worker.watch.refresh()
            await worker.watch.refresh()
            assert worker.knows(secret)
            (record,) = caplog.records
            assert str(path) in record.getMessage()
        caplog.clear()
        write_keys(path, [replace(key, revoked_at=YESTERDAY)])
        await worker.watch.refresh()
        assert [one.getMessage() for one in caplog.records] == ["the keys can be read again"]


def test_a_broken_file_ends_the_start(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home", keys_file=tmp_path / "absent")
    with pytest.raises(KeysError, match=r"absent cannot be read: No such file or directory\.$"):
        opening(settings)


def test_what_a_start_says(house: House) -> None:
    settings = house.settings
    assert opening(settings) == (
        "No keys: anyone who reaches this port may predict and label; operators' routes answer on "
        "loopback only. To close it, create one with: python -m keys create"
    )
    required = settings.model_copy(update={"require_keys": True})
    assert opening(required) == (
        "Keys are required, and there is none that may be used: create one with: python -m keys "
        "create"
    )
    house.create(made()[1])
    assert opening(settings) == "Keys are required: 1 may be used."
    house.take_away()
    assert opening(settings) == "Keys are required: 1 may be used."
    (settings.home / "known-keys").unlink()
    assert opening(required) == (
        "Keys are required, but cannot be read now: nobody gets in until they can."
    )


async def test_counts_of_all_workers_meet_in_the_database(house: House) -> None:
    secret, key = made("line-3", "predict", daily=10)
    house.create(key)
    here, there = await house.start(), await house.start()
    for worker, times in ((here, 4), (there, 3)):
        for _ in range(times):
            worker.ring.find(secret.encode()).admit("predict")
    await here.watch.share_counts()
    await there.watch.share_counts()
    await here.watch.share_counts()
    today = datetime.now(UTC).date()
    with house.database() as database:
        assert usage(database, today) == {"line-3": 7}
        add_usage(database, today, {"line-3": 2})
    await here.watch.share_counts()
    here.ring.find(secret.encode()).admit("predict")
    with pytest.raises(Exception, match="used up its 10 a day"):
        here.ring.find(secret.encode()).admit("predict")


async def test_counts_wait_for_a_database_that_is_away(house: House) -> None:
    secret, key = made("line-3", "predict", daily=10)
    house.create(key)
    worker = await house.start()
    worker.ring.find(secret.encode()).admit("predict")
    file = house.settings.home / "records.db"
    with closing(sqlite3.connect(file, isolation_level=None)) as locking:
        locking.execute("begin immediate")
        await worker.watch.share_counts()
        locking.execute("rollback")
    worker.ring.find(secret.encode()).admit("predict")
    worker.records.close()
    await worker.watch.share_counts()
    with house.database() as database:
        assert usage(database, datetime.now(UTC).date()) == {"line-3": 2}
