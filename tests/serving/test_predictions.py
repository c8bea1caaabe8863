"""Requests through the endpoints of predictions, over a real registry."""

import asyncio
import base64
import json
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope

from errors import RequestError
from models.store import Store
from serving.http.reply import Reply
from serving.inference.admission import Admission
from serving.keys.caller import CALLER, Caller
from serving.predictions import Predict, PredictBatch
from serving.recording.connection import RecordsConnection
from serving.recording.recorder import Recorder
from serving.routing.registry import Registry
from settings import Settings
from tests.drafts import LinearDraft
from tests.serving.keys.made import made

SCOPE: Scope = {"type": "http", "method": "POST", "headers": []}
IMAGE = base64.b64encode(Path("tests/data/digit8.jpg").read_bytes()).decode()
GOOD: dict[str, Any] = {"request_id": "1", "model": "clf", "image": IMAGE}


@pytest.fixture
async def registry(tmp_path: Path) -> AsyncIterator[Registry]:
    store = Store(tmp_path / "models")
    store.save(LinearDraft(answer=8))
    registry = Registry(store, Settings())
    async with registry.watching():
        yield registry


def sending(content: Any) -> Receive:
    async def receive() -> Message:
        return {"type": "http.request", "body": json.dumps(content).encode()}

    return receive


async def ask(registry: Registry, content: Any, **settings: Any) -> Reply:
    chosen = Settings(**settings)
    return await Predict(registry, chosen, Admission(chosen))(SCOPE, sending(content))


async def test_an_answer(registry: Registry) -> None:
    reply = await ask(registry, GOOD)
    assert (reply.status, reply.body) == (200, b'{"request_id":"1","prediction":8}')
    tag = registry.catalog()[0].champion
    assert (b"x-model-version", tag.encode()) in reply.headers


async def test_a_fault(registry: Registry) -> None:
    reply = await ask(registry, GOOD | {"model": "other"})
    assert (reply.status, reply.body) == (400, b'{"detail":"Invalid model name"}')


@pytest.mark.parametrize("model", ["clf", "clf.pickle", "clf:champion", "other"])
async def test_a_key_for_another_model(registry: Registry, model: str) -> None:
    parts = registry, Settings(), Admission(Settings())
    scope = {**SCOPE, CALLER: Caller(made("line-3", "predict", models=("pets",))[1], 1)}
    detail = f"The key line-3 is not for the model {model}."
    batch = {"model": model, "items": [GOOD]}
    for endpoint, content in (
        (Predict(*parts), GOOD | {"model": model}),
        (PredictBatch(*parts), batch),
    ):
        reply = await endpoint(scope, sending(content))
        assert (reply.status, json.loads(reply.body)) == (403, {"detail": detail})


async def test_every_image_of_a_batch_is_counted(registry: Registry) -> None:
    caller = Caller(made("line-3", "predict", models=("clf",))[1], 1)
    caller.admit("predict")
    endpoint = PredictBatch(registry, Settings(), Admission(Settings()))
    content = {"model": "clf", "items": [GOOD] * 7}
    assert (await endpoint({**SCOPE, CALLER: caller}, sending(content))).status == 200
    assert caller.take_new() == 7


async def test_no_time(registry: Registry) -> None:
    admission = Admission(Settings())
    admission.deadline_seconds = -1.0
    reply = await Predict(registry, Settings(), admission)(SCOPE, sending(GOOD))
    assert reply.status == 503
    assert (b"retry-after", b"1") in reply.headers


async def test_what_nobody_expected_is_logged_under_its_request_id(
    registry: Registry, caplog: pytest.LogCaptureFixture
) -> None:
    engine = registry.loaded("clf")
    assert engine is not None
    engine._spec = None  # type: ignore[assignment]
    reply = await ask(registry, GOOD | {"request_id": "the-one"})
    assert reply.status == 500
    assert json.loads(reply.body) == {"detail": "The server failed; its log has the reason."}
    (line,) = [one for one in caplog.records if one.name == "pupila.access"]
    about = vars(line)["fields"]
    # As text: the exception would hold the request.
    assert line.exc_info is None
    assert vars(line)["trace"].startswith("Traceback ")
    assert (about["request_id"], about["status"]) == ("the-one", 500)
    # Whoever reports the failure can name it.
    assert (b"x-trace-id", about["trace_id"].encode()) in reply.headers


@pytest.mark.parametrize(("rate", "lines"), [(0.0, 0), (1.0, 1)])
async def test_the_access_log_is_a_sample(
    registry: Registry, caplog: pytest.LogCaptureFixture, rate: float, lines: int
) -> None:
    with caplog.at_level("INFO", "pupila.access"):
        await ask(registry, GOOD, access_log_rate=rate)
    found = [vars(r)["fields"] for r in caplog.records if r.name == "pupila.access"]
    assert len(found) == lines
    if found:
        assert found[0]["status"] == 200
        assert found[0]["request_id"] == "1"
        assert f"clf:{found[0]['version']}" == registry.catalog()[0].champion


async def ask_many(registry: Registry, content: Any, **settings: Any) -> tuple[int, Any]:
    chosen = Settings(**settings)
    reply = await PredictBatch(registry, chosen, Admission(chosen))(SCOPE, sending(content))
    return reply.status, json.loads(reply.body)


async def test_a_batch_is_answered_item_by_item(registry: Registry) -> None:
    items = [
        {"request_id": "a", "image": IMAGE},
        {"request_id": 2, "image": "aGVsbG8="},
        {"request_id": "c"},
        {"request_id": "d", "image": IMAGE},
    ]
    status, answer = await ask_many(registry, {"model": "clf", "items": items})
    assert status == 200
    assert answer["items"][0] == {"request_id": "a", "prediction": 8}
    assert answer["items"][1]["request_id"] == 2
    assert answer["items"][1]["detail"].startswith("Invalid image data: ")
    assert answer["items"][2] == {"request_id": "c", "detail": "Image data is required"}
    assert answer["items"][3] == {"request_id": "d", "prediction": 8}


async def test_the_query_says_what_is_wanted_of_a_batch(registry: Registry) -> None:
    endpoint = PredictBatch(registry, Settings(), Admission(Settings()))
    content = {"model": "clf", "items": [GOOD]}

    async def asked(query: bytes) -> tuple[int, str]:
        reply = await endpoint({**SCOPE, "query_string": query}, sending(content))
        return reply.status, reply.body.decode()

    assert '"probabilities":{' in (await asked(b"probabilities=true"))[1]
    assert await asked(b"known=perhaps") == (
        400,
        '{"detail":"known must be true or false, not \'perhaps\'."}',
    )


async def test_what_is_wrong_with_an_item_is_free_at_once(
    registry: Registry, new: Callable[[type], list[object]]
) -> None:
    endpoint = PredictBatch(registry, Settings(), Admission(Settings()))
    items = [GOOD, GOOD | {"image": "%%"}, GOOD | {"image": "AAAA"}]
    reply = await endpoint(SCOPE, sending({"model": "clf", "items": items}))
    assert reply.status == 200
    # The turn of the event loop in which they were told is over.
    await asyncio.sleep(0)
    assert new(RequestError) == []


async def test_a_batch_for_which_there_is_no_room(registry: Registry) -> None:
    items = [{"request_id": n, "image": IMAGE} for n in range(3)]
    status, answer = await ask_many(registry, {"model": "clf", "items": items}, queue_size=2)
    assert status == 503
    assert "2 requests at once" in answer["detail"]


async def test_what_is_answered_is_recorded(registry: Registry, tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "pupila")
    records = RecordsConnection(settings)
    recorder = Recorder(settings, records, workers=1)
    parts = (registry, settings, Admission(settings), recorder)
    predict, predict_batch = Predict(*parts), PredictBatch(*parts)
    items = [
        {"request_id": 1, "image": IMAGE},
        {"request_id": 2, "image": "aGVsbG8="},
        {"request_id": 3, "image": "?"},
    ]
    async with recorder.running():
        await predict(SCOPE, sending(GOOD | {"request_id": "one"}))
        await predict(SCOPE, sending(GOOD | {"request_id": "no", "image": "aGVsbG8="}))
        await predict(SCOPE, sending(GOOD | {"model": "other"}))
        await predict_batch(SCOPE, sending({"model": "clf", "items": items}))
    records.close()
    with closing(sqlite3.connect(settings.home / "records.db")) as connection:
        kept = connection.execute("select request_id, status, label from predictions").fetchall()
        counts = connection.execute(
            "select model, key, sum(count) from traffic where kind = 'status' group by 1, 2"
        ).fetchall()
    assert set(kept) == {("one", 200, "8"), ("no", 400, None), ("1", 200, "8"), ("2", 400, None)}
    assert set(counts) == {("clf", "200", 2), ("clf", "400", 3), ("", "400", 1)}


async def test_no_slot_stays_taken(registry: Registry) -> None:
    settings = Settings(queue_size=1)
    admission = Admission(settings)
    predict = Predict(registry, settings, admission)
    for content in (GOOD, GOOD | {"image": "?"}, GOOD | {"model": "x"}, {}, GOOD):
        await predict(SCOPE, sending(content))
    assert admission.held == 0
