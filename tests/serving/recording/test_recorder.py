"""What the recorder keeps is in the database, with a real engine and a real database."""

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image
from prometheus_client import REGISTRY

from errors import DatabaseError, RecordsError, SchemaError
from images.decoding import Decoded
from images.note import original_size
from models.store import Store
from serving.inference.batcher import Answer
from serving.inference.engine import Engine
from serving.recording import recorder as recorder_module
from serving.recording.connection import RecordsConnection
from serving.recording.recorder import Recorder
from serving.routing.registry import Registry
from settings import Settings
from tests.drafts import LinearDraft
from tests.serving.recording.test_copier import PHOTO
from tests.waiting import until_async

SURE = Answer(np.array([0.1, 0.9], np.float32), 1)
UNSURE = Answer(np.array([0.55, 0.45], np.float32), 0)


@pytest.fixture
async def registry(tmp_path: Path) -> AsyncIterator[Registry]:
    store = Store(tmp_path / "models")
    store.save(LinearDraft(labels=("cat", "dog")))
    store.save(LinearDraft("scores", labels=(1, 2), probabilities=False))
    registry = Registry(store, Settings())
    async with registry.watching():
        await registry.load("scores")
        yield registry


@pytest.fixture
def engine(registry: Registry) -> Engine:
    engine = registry.loaded("clf")
    assert engine is not None
    return engine


@asynccontextmanager
async def recording(home: Path, **settings: Any) -> AsyncIterator[Recorder]:
    chosen = Settings(home=home, **settings)
    records = RecordsConnection(chosen)
    recorder = Recorder(chosen, records, workers=1)
    async with recorder.running():
        yield recorder
    records.close()


def rows(home: Path, query: str) -> list[Any]:
    with closing(sqlite3.connect(home / "records.db")) as connection:
        return connection.execute(query).fetchall()


def dropped(reason: str) -> float:
    return REGISTRY.get_sample_value("pupila_records_dropped_total", {"reason": reason}) or 0.0


async def test_a_prediction_is_kept(tmp_path: Path, engine: Engine) -> None:
    async with recording(tmp_path) as recorder:
        recorder.predicted(engine, 123, b"image", SURE)
    [row] = rows(
        tmp_path,
        "select request_id, model, version, role, status, reason, label, confidence, "
        "probabilities, weight, origin, content from predictions join images on prediction_id = id",
    )
    assert row[:7] == ("123", "clf", engine.version.version, "champion", 200, None, '"dog"')
    assert row[7] == pytest.approx(0.9)
    assert np.frombuffer(row[8], "<f4").tolist() == SURE.scores.tolist()
    assert row[9:] == (1.0, "traffic", b"image")


async def test_a_version_without_probabilities(tmp_path: Path, registry: Registry) -> None:
    engine = registry.loaded("scores")
    assert engine is not None
    async with recording(tmp_path) as recorder:
        recorder.predicted(engine, "a", b"image", Answer(np.array([-3.0, 2.0], np.float32), 1))
    query = "select label, confidence, probabilities from predictions"
    assert rows(tmp_path, query) == [("2", None, None)]


async def test_a_rejected_image_is_kept(tmp_path: Path, engine: Engine) -> None:
    async with recording(tmp_path, record_rate=0.0) as recorder:
        recorder.rejected(engine, "a", b"no image", "it is none")
    query = "select status, reason, label, weight, content from predictions, images"
    assert rows(tmp_path, query) == [(400, "it is none", None, 1.0, b"no image")]


@pytest.mark.parametrize(("originals", "kept"), [(False, 65_536), (True, 5_000_000)])
async def test_of_a_large_rejected_image_the_start_is_kept(
    tmp_path: Path, engine: Engine, originals: bool, kept: int
) -> None:
    async with recording(tmp_path, record_originals=originals) as recorder:
        recorder.rejected(engine, "a", bytes(5_000_000), "it is none")
    assert rows(tmp_path, "select length(content) from images") == [(kept,)]


async def test_low_confidence_is_kept_whatever_the_rate(tmp_path: Path, engine: Engine) -> None:
    async with recording(tmp_path, record_rate=0.0) as recorder:
        recorder.predicted(engine, "sure", b"image", SURE)
        recorder.predicted(engine, "unsure", b"image", UNSURE)
    assert rows(tmp_path, "select request_id, weight from predictions") == [("unsure", 1.0)]


async def test_all_are_counted_and_some_kept(tmp_path: Path, engine: Engine) -> None:
    async with recording(tmp_path, record_per_minute=60) as recorder:
        for number in range(1000):
            recorder.predicted(engine, number, b"image", SURE)
        recorder.failed(engine, 503)
        recorder.failed(None, 400)
        recorder.took(engine, 0.002)
    [(kept, weight)] = rows(tmp_path, "select count(*), sum(weight) from predictions")
    assert kept == 24
    assert weight == pytest.approx(1000)
    counts = rows(tmp_path, "select model, kind, key, sum(count) from traffic group by 1, 2, 3")
    assert set(counts) == {
        ("", "status", "400", 1),
        ("clf", "label", '"dog"', 1000),
        ("clf", "latency", "0.0025", 1),
        ("clf", "status", "200", 1000),
        ("clf", "status", "503", 1),
    }


async def test_a_settled_prediction_is_in_the_database(tmp_path: Path, engine: Engine) -> None:
    async with recording(tmp_path) as recorder:
        recorder.predicted(engine, "a", b"image", SURE)
        await recorder.settle({"a", "never seen"})
        assert rows(tmp_path, "select request_id from predictions") == [("a",)]


async def test_what_exceeds_the_memory_limit_is_dropped_and_counted(
    tmp_path: Path, engine: Engine
) -> None:
    before = dropped("memory")
    async with recording(tmp_path, record_buffer_bytes=100_000) as recorder:
        for number in range(20):
            recorder.predicted(engine, number, bytes(9_000), SURE)
    assert rows(tmp_path, "select count(*) from predictions") == [(10,)]
    assert dropped("memory") == before + 10


def accounts() -> dict[str, float]:
    """Where all predictions are that may be kept, by the account."""
    names = ("unsampled_total", "waiting", "written_total")
    found = {name: REGISTRY.get_sample_value(f"pupila_records_{name}") or 0.0 for name in names}
    return found | {reason: dropped(reason) for reason in ("memory", "refused", "failed")}


async def test_every_prediction_is_in_one_account(tmp_path: Path, engine: Engine) -> None:
    before = accounts()
    nothing = Answer(np.empty(0, np.float32), 0)
    async with recording(tmp_path, record_per_minute=60, record_buffer_bytes=90_000) as recorder:
        for number in range(500):
            # One of them the database refuses; later ones have no room, or replace others.
            name = "x" * 200 if number == 3 else str(number)
            recorder.predicted(engine, name, bytes(9_000), SURE)
        recorder.rejected(engine, "none", b"no image", "it is none")
        moved = {name: value - before[name] for name, value in accounts().items()}
        assert sum(moved.values()) == 501
        assert moved["memory"] > 0
        assert moved["unsampled_total"] > 0
    moved = {name: value - before[name] for name, value in accounts().items()}
    assert sum(moved.values()) == 501
    assert (moved["waiting"], moved["refused"]) == (0, 1)
    async with recording(tmp_path, record_unsure=0.0) as recorder:
        recorder.predicted(engine, "a", b"image", nothing)
    moved = {name: value - before[name] for name, value in accounts().items()}
    assert (sum(moved.values()), moved["waiting"], moved["failed"]) == (502, 0, 1)


async def test_memory_is_released_when_predictions_are_written(
    tmp_path: Path, engine: Engine
) -> None:
    async with recording(tmp_path, record_buffer_bytes=10_000) as recorder:
        for number in range(5):
            recorder.predicted(engine, number, bytes(8_000), SURE)
            await recorder.settle({str(number)})
    assert rows(tmp_path, "select count(*) from predictions") == [(5,)]


async def test_memory_is_released_when_a_sampled_prediction_is_replaced(
    tmp_path: Path, engine: Engine
) -> None:
    before = dropped("memory")
    async with recording(tmp_path, record_per_minute=4, record_buffer_bytes=6_000) as recorder:
        for number in range(2_000):
            recorder.predicted(engine, number, bytes(1_000), SURE)
    assert dropped("memory") == before


async def test_predictions_are_kept_when_the_database_is_available_again(
    tmp_path: Path, engine: Engine
) -> None:
    home = tmp_path / "home"
    home.write_text("a file where the folder should be")
    async with recording(home) as recorder:
        recorder.predicted(engine, "a", b"image", SURE)
        with pytest.raises(DatabaseError):
            await recorder.settle({"a"})
        home.unlink()
    assert rows(home, "select request_id from predictions") == [("a",)]
    assert rows(home, "select count from traffic where kind = 'status'") == [(1,)]


async def test_only_what_the_database_rejects_is_dropped(tmp_path: Path, engine: Engine) -> None:
    before = dropped("refused")
    async with recording(tmp_path) as recorder:
        for name in ("a", "x" * 200, "b"):
            recorder.predicted(engine, name, b"image", SURE)
    assert rows(tmp_path, "select request_id from predictions") == [("a",), ("b",)]
    assert rows(tmp_path, "select count from traffic where kind = 'status'") == [(3,)]
    assert dropped("refused") == before + 1


async def test_a_read_only_database_is_logged_once(
    tmp_path: Path, engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    async with recording(tmp_path) as recorder:
        await keep_one(recorder, engine, "a")
        # As on a full disk, only writing fails.
        rows(tmp_path, "alter table predictions rename to gone")
        for name in ("b", "c"):
            with pytest.raises(SchemaError):
                await keep_one(recorder, engine, name)
        rows(tmp_path, "alter table gone rename to predictions")
    assert rows(tmp_path, "select request_id from predictions") == [("a",), ("b",), ("c",)]
    first, *others = [message for message in caplog.messages if "written" in message]
    assert first.startswith("no records are written for now: ")
    assert others == ["records are written again"]


async def keep_one(recorder: Recorder, engine: Engine, request_id: str) -> None:
    recorder.predicted(engine, request_id, b"image", SURE)
    await recorder.settle({request_id})


async def test_a_failure_on_the_thread_does_not_stop_it(tmp_path: Path, engine: Engine) -> None:
    nothing = Answer(np.empty(0, np.float32), 0)
    async with recording(tmp_path, record_unsure=0.0) as recorder:
        recorder.predicted(engine, "a", b"image", nothing)
        with pytest.raises(RecordsError):
            await recorder.settle({"a"})
        recorder.predicted(engine, "b", b"image", SURE)
        await recorder.settle({"b"})
    assert rows(tmp_path, "select request_id from predictions") == [("b",)]


async def test_a_copy_of_a_large_image_is_kept(tmp_path: Path, engine: Engine) -> None:
    async with recording(tmp_path) as recorder:
        recorder.predicted(engine, "a", PHOTO, SURE)
        await until_async(lambda: written(tmp_path))
    [(content, size)] = rows(tmp_path, "select content, image_bytes from images, predictions")
    assert original_size(content) == (1100, 1100)
    assert size == len(content) < len(PHOTO)


async def test_of_what_is_not_kept_nothing_waits_decoded(tmp_path: Path, engine: Engine) -> None:
    decoded = Decoded(Image.new("RGB", (10, 10)), 1)
    photos = [bytes(bytearray(1000 + number)) for number in range(100)]
    async with recording(tmp_path, record_per_minute=20) as recorder:
        for number, photo in enumerate(photos):
            engine.reduced.keep(photo, decoded)
            recorder.predicted(engine, number, photo, SURE)
        waiting = sum(engine.reduced.take(photo) is not None for photo in photos)
    # The ordinary ones' part of the window.
    assert waiting == 8


async def test_nobody_waits_for_copies(tmp_path: Path, engine: Engine) -> None:
    async with recording(tmp_path) as recorder:
        recorder.predicted(engine, "a", PHOTO, SURE)
        await recorder.settle({"a"})
    assert rows(tmp_path, "select content from images") == [(PHOTO,)]


async def test_memory_is_released_after_a_copy_too(tmp_path: Path, engine: Engine) -> None:
    before = dropped("memory")
    async with recording(tmp_path, record_buffer_bytes=2 * len(PHOTO) + 10_000) as recorder:
        for number in range(4):
            recorder.predicted(engine, number, PHOTO, SURE)
            await until_async(partial(wrote, tmp_path, number + 1))
    assert dropped("memory") == before


def wrote(home: Path, at_least: int) -> bool:
    return written(home) >= at_least


def written(home: Path) -> int:
    try:
        return int(rows(home, "select count(*) from images")[0][0])
    except sqlite3.OperationalError:
        # No file or no tables yet.
        return 0


async def test_a_window_ends_early_when_what_waits_takes_much_memory(
    tmp_path: Path, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    # By itself it would end with the minute, in 60 seconds.
    clock = SimpleNamespace(time=lambda: 0.0, monotonic=time.monotonic)
    monkeypatch.setattr(recorder_module, "time", clock)
    monkeypatch.setattr(recorder_module, "WINDOW_SECONDS", 3600)

    def written() -> bool:
        try:
            return rows(tmp_path, "select count(*) from images") == [(2,)]
        except sqlite3.OperationalError:
            return False  # There are no tables before the first is written.

    async with recording(tmp_path, record_buffer_bytes=4_000_000, record_originals=True) as it:
        await asyncio.sleep(0)  # The first window begins.
        for request_id in ("a", "b"):
            it.predicted(engine, request_id, bytes(600_000), SURE)
        await until_async(written, "both images in the database", seconds=30)
