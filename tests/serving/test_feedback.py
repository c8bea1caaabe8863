"""Labels through the endpoint, over a real registry and a real database."""

import base64
import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope

from images.formats import ANY_FORMAT
from models.store import Store
from records.key import Key
from serving.feedback import Feedback
from serving.inference.admission import Admission
from serving.keys.caller import CALLER, Caller
from serving.predictions import Predict
from serving.recording.connection import RecordsConnection, prepare
from serving.recording.recorder import Recorder
from serving.routing.registry import Registry
from settings import Settings
from tests.drafts import LinearDraft
from tests.serving.keys.made import made

SCOPE: Scope = {"type": "http", "method": "POST", "headers": []}
COMPOSED, DECOMPOSED = "caf\u00e9", "cafe\u0301"
IMAGE = base64.b64encode(Path("tests/data/digit8.jpg").read_bytes()).decode()


def sending(content: Any) -> Receive:
    async def receive() -> Message:
        return {"type": "http.request", "body": json.dumps(content).encode()}

    return receive


@dataclass
class House:
    """One worker's parts; ``predict_elsewhere`` is another worker's."""

    settings: Settings
    predict_here: Predict
    feedback: Feedback
    predict_elsewhere: Predict

    async def predict(self, request_id: str | int, *, elsewhere: bool = False) -> None:
        endpoint = self.predict_elsewhere if elsewhere else self.predict_here
        content = {"request_id": request_id, "model": "clf", "image": IMAGE}
        reply = await endpoint(SCOPE, sending(content))
        assert reply.status == 200

    async def say(self, content: Any, key: Key | None = None) -> tuple[int, Any]:
        scope = SCOPE if key is None else {**SCOPE, CALLER: Caller(key, 1)}
        reply = await self.feedback(scope, sending(content))
        return reply.status, json.loads(reply.body)

    def rows(self, query: str) -> list[Any]:
        with closing(sqlite3.connect(self.settings.home / "records.db")) as connection:
            return connection.execute(query).fetchall()


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    settings = Settings(home=tmp_path / "pupila")
    prepare(settings)
    store = Store(tmp_path / "models")
    store.save(LinearDraft(answer=8))
    store.save(LinearDraft("pets", labels=("cat", "dog")))
    # From a Mac, before labels were normalized.
    store.save(LinearDraft("drinks", labels=("tea", DECOMPOSED)))
    registry = Registry(store, settings)
    connections = [RecordsConnection(settings), RecordsConnection(settings)]
    mine, other = (Recorder(settings, records, workers=2) for records in connections)
    admission = Admission(settings)
    feedback = Feedback(registry, settings, admission, mine, connections[0], shared=True)
    async with registry.watching(), mine.running(), other.running():
        yield House(
            settings,
            Predict(registry, settings, admission, mine),
            feedback,
            Predict(registry, settings, admission, other),
        )
    feedback.close()
    for records in connections:
        records.close()


async def test_a_label_right_after_its_prediction(house: House) -> None:
    await house.predict("a")
    status, answer = await house.say({"request_id": "a", "label": 8})
    assert status == 200
    assert answer.pop("version")
    assert answer == {
        "request_id": "a", "outcome": "added", "model": "clf", "known": True, "conflict": False,
    }  # fmt: skip
    assert house.rows("select request_id, label, source, known from labels") == [("a", "8", "", 1)]


async def test_a_label_for_what_another_worker_predicted(house: House) -> None:
    await house.predict("a", elsewhere=True)
    assert (await house.say({"request_id": "a", "label": 8}))[0] == 200


async def test_a_number_and_its_digits_are_one_id(house: House) -> None:
    await house.predict(123)
    assert (await house.say({"request_id": "123", "label": 8}))[1]["outcome"] == "added"
    assert (await house.say({"request_id": 123, "label": 8}))[1]["outcome"] == "unchanged"


async def test_a_correction_keeps_the_history(house: House) -> None:
    await house.predict("a")
    said = [(await house.say({"request_id": "a", "label": n}))[1]["outcome"] for n in (8, 8, 3, 8)]
    assert said == ["added", "unchanged", "corrected", "corrected"]
    assert house.rows("select label from labels order by id") == [("8",), ("3",), ("8",)]


async def test_sources_that_disagree(house: House) -> None:
    await house.predict("a")
    await house.say({"request_id": "a", "label": 8, "source": "anna"})
    status, answer = await house.say({"request_id": "a", "label": 3, "source": "bert"})
    assert (status, answer["outcome"], answer["conflict"]) == (200, "added", True)


async def test_with_a_key_the_source_is_its_name(house: House) -> None:
    await house.predict("a")
    await house.say({"request_id": "a", "label": 8, "source": "line-3"})
    key = made("line-3", "label")[1]
    for source in ({"source": "ada"}, {}):
        assert (await house.say({"request_id": "a", "label": 3} | source, key))[0] == 200
    assert (await house.say({"request_id": "a", "label": 8}, key))[1]["outcome"] == "corrected"
    rows = house.rows("select source, key, remark, label from labels order by id")
    assert rows == [
        ("line-3", None, None, "8"),
        ("line-3", "line-3", "ada", "3"),
        ("line-3", "line-3", None, "8"),
    ]
    assert house.rows("select actor, action, subject, detail from audit order by id") == [
        ("open", "label", "prediction 1 of clf", "8"),
        ("line-3", "label", "prediction 1 of clf", "3, was 8"),
        ("line-3", "label", "prediction 1 of clf", "8, was 3"),
    ]


async def test_a_key_labels_only_the_models_that_it_may_ask(house: House) -> None:
    await house.predict("a")
    key = made("line-3", "label", models=("pets",))[1]
    detail = "The key line-3 is not for the model clf."
    for label in ({}, {"model": "clf:champion"}):
        said = {"request_id": "a", "label": 8} | label
        assert await house.say(said, key) == (403, {"detail": detail})
    pet = {"request_id": "b", "label": "cat", "model": "pets", "image": IMAGE}
    status, answers = await house.say([{"request_id": "a", "label": 8}, pet], key)
    assert status == 200
    assert answers[0]["detail"] == detail
    assert answers[1]["outcome"] == "added"
    assert house.rows("select model from labels") == [("pets",)]


async def test_every_label_of_a_request_is_counted(house: House) -> None:
    await house.predict("a")
    caller = Caller(made("line-3", "label")[1], 1)
    content = [{"request_id": "a", "label": 8}] * 5
    caller.admit("label")
    await house.feedback({**SCOPE, CALLER: caller}, sending(content))
    assert caller.take_new() == 5


async def test_a_class_that_the_model_does_not_know_is_kept(house: House) -> None:
    await house.predict("a")
    status, answer = await house.say({"request_id": "a", "label": 77})
    assert (status, answer["known"]) == (200, False)
    assert house.rows("select label, known from labels") == [("77", 0)]


async def test_an_unknown_prediction(house: House) -> None:
    status, answer = await house.say({"request_id": "a", "label": 8})
    assert status == 404
    assert answer["detail"].startswith("No prediction with request_id 'a' was kept; send")


async def test_a_label_with_its_image_needs_no_prediction(house: House) -> None:
    content = {"request_id": "a", "label": 8, "model": "clf:champion", "image": IMAGE}
    assert (await house.say(content))[0] == 200
    assert house.rows("select model, origin, length(content) from predictions, images") == [
        ("clf", "feedback", len(base64.b64decode(IMAGE)))
    ]
    assert (await house.say(content))[1]["outcome"] == "unchanged"


async def test_an_image_of_a_prediction_that_is_kept_is_not_kept_twice(house: House) -> None:
    await house.predict("a", elsewhere=True)
    await house.say({"request_id": "a", "label": 8, "model": "clf", "image": IMAGE})
    assert house.rows("select origin from predictions") == [("traffic",)]


@pytest.mark.parametrize(
    ("content", "detail"),
    [
        ({"request_id": "a"}, "Label is required"),
        ({"label": 8}, "Request id is required"),
        (
            {"request_id": "a", "label": 1.5},
            "label must be an integer or a string of 1 to 256 characters, not a number.",
        ),
        (
            {"request_id": "a", "label": "8"},
            "label must be an integer, like the labels of clf, not a string.",
        ),
        (
            {"request_id": "b", "label": 1, "model": "pets"},
            "label must be a string, like the labels of pets, not an integer.",
        ),
        ({"request_id": "b", "label": 1, "image": IMAGE}, "Model name is required"),
        (
            {"request_id": "b", "label": 1, "model": "other", "image": IMAGE},
            "Invalid model name",
        ),
        (
            {"request_id": "b", "label": 1, "model": "clf", "image": "aGVsbG8="},
            f"Invalid image data: it is not {ANY_FORMAT}",
        ),
        ([], "Feedback must be an object or an array of 1 to 1000 objects, not 0 of them."),
        (
            {"items": [{}] * 1001},
            "Feedback must be an object or an array of 1 to 1000 objects, not 1001 of them.",
        ),
        (
            "8",
            "Feedback must be an object or an array of 1 to 1000 objects, not a string.",
        ),
    ],
)
async def test_what_is_wrong_is_said_and_not_kept(house: House, content: Any, detail: str) -> None:
    await house.predict("a")
    assert await house.say(content) == (400, {"detail": detail})
    assert house.rows("select count(*) from labels") == [(0,)]


@pytest.mark.parametrize("wrapped", [True, False])
async def test_many_are_answered_one_by_one(house: House, wrapped: bool) -> None:
    for request_id in ("a", "b", "c"):
        await house.predict(request_id)
    items = [
        {"request_id": "a", "label": 8},
        {"request_id": "b", "label": "eight"},
        {"request_id": "nobody", "label": 8},
        5,
        {"request_id": "c", "label": 3},
        {"request_id": "a", "label": 8},
    ]
    status, answer = await house.say({"items": items} if wrapped else items)
    assert status == 200
    answers = answer["items"] if wrapped else answer
    assert [one.get("outcome") for one in answers] == [
        "added", None, None, None, "added", "unchanged",
    ]  # fmt: skip
    assert answers[1]["detail"].startswith("label must be an integer")
    assert answers[2]["detail"].startswith("No prediction with request_id 'nobody'")
    assert house.rows("select request_id from labels order by 1") == [("a",), ("c",)]


async def test_a_database_that_is_away(tmp_path: Path) -> None:
    (tmp_path / "pupila").write_text("a file where the folder should be")
    settings = Settings(home=tmp_path / "pupila")
    registry = Registry(Store(tmp_path / "models"), settings)
    records = RecordsConnection(settings)
    feedback = Feedback(registry, settings, Admission(settings), None, records, shared=False)
    reply = await feedback(SCOPE, sending({"request_id": "a", "label": 8}))
    assert reply.status == 503
    assert (b"retry-after", b"1") in reply.headers
    assert json.loads(reply.body) == {
        "detail": "The database is unavailable, so labels may not have been kept; try again."
    }
    (tmp_path / "pupila").unlink()
    feedback.close()
    records.close()


async def test_a_flood_for_one_prediction_is_not_kept(house: House) -> None:
    await house.predict("a")
    flood = [{"request_id": "a", "label": 8, "source": str(number)} for number in range(200)]
    _, answers = await house.say(flood)
    assert sum("outcome" in answer for answer in answers) == 100
    assert answers[-1]["detail"].startswith("The prediction with request_id 'a' has 100 labels")


async def test_what_follows_an_image_is_not_kept(house: House) -> None:
    jpeg = base64.b64decode(IMAGE)
    junk = base64.b64encode(jpeg + bytes(1_000_000)).decode()
    await house.say({"request_id": "a", "label": 8, "model": "clf", "image": junk})
    assert house.rows("SELECT image_bytes FROM predictions") == [(len(jpeg),)]
    assert house.rows("SELECT content FROM images") == [(jpeg,)]


@pytest.mark.parametrize(
    ("limit", "label"),
    [
        ({"label_per_minute": 1}, {"label": 8}),
        (
            {"label_bytes_per_minute": 1024, "max_body_bytes": 1024},
            {"label": 8, "model": "clf", "image": IMAGE},
        ),
    ],
)
async def test_a_minute_has_a_limited_number_of_labels(
    tmp_path: Path, limit: dict[str, int], label: dict[str, Any]
) -> None:
    settings = Settings(home=tmp_path / "pupila", **limit)  # type: ignore[arg-type]
    prepare(settings)
    registry = Registry(Store(tmp_path / "models"), settings)
    await registry.refresh()
    records = RecordsConnection(settings)
    feedback = Feedback(registry, settings, Admission(settings), None, records, shared=False)
    many = settings.max_body_bytes == 1024
    content = [{"request_id": str(number)} | label for number in range(1 if many else 1000)]
    replies = [await feedback(SCOPE, sending(content)) for _ in range(3)]
    assert replies[0].status == 200
    assert replies[-1].status == 503
    assert dict(replies[-1].headers)[b"retry-after"].isdigit()
    feedback.close()
    records.close()


@pytest.mark.parametrize("label", [COMPOSED, DECOMPOSED])
async def test_a_label_is_known_in_any_form_of_unicode(house: House, label: str) -> None:
    said = {"request_id": "a", "model": "drinks", "image": IMAGE, "label": label}
    assert (await house.say(said))[1]["known"] is True
    other = COMPOSED if label == DECOMPOSED else DECOMPOSED
    assert (await house.say(said | {"label": other}))[1]["outcome"] == "unchanged"
    assert house.rows("select label from labels") == [(r'"caf\u00e9"',)]


async def test_an_integral_float_is_an_integer(house: House) -> None:
    """Java and JavaScript libraries write 8.0; a table with a gap has floats."""
    await house.predict(123)
    status, answer = await house.say({"request_id": 123.0, "label": 8.0})
    assert (status, answer["outcome"], answer["known"]) == (200, "added", True)
    assert answer["request_id"] == 123
    assert (await house.say({"request_id": 123, "label": 8}))[1]["outcome"] == "unchanged"


@pytest.mark.parametrize("label", [8.5, 1e300])
async def test_another_float_is_no_label(house: House, label: float) -> None:
    status, answer = await house.say({"request_id": "a", "label": label})
    assert status == 400
    assert answer["detail"].startswith("label must be an integer or a string")
