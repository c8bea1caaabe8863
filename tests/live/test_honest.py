"""Prediction sets, known images and abstentions, as clients of a running server see them."""

import base64
import io
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest
from PIL import Image

from models.store import Store
from records.database import Database
from records.windows import Record, window
from settings import Settings
from tests.drafts import LinearDraft
from tests.honesty import DIGIT, honest_draft
from tests.servers import NO_TLS, serve
from tests.waiting import until

HONEST = LinearDraft(name="clf", answer=8, honest=honest_draft())


def blank() -> bytes:
    buffer = io.BytesIO()
    Image.new("L", (8, 8), 255).save(buffer, "PNG")
    return buffer.getvalue()


STRANGE = blank()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("honest")
    store = Store(home / "models")
    store.save(HONEST)
    store.save(replace(HONEST, name="careful", abstain=0.9))
    store.save(LinearDraft(name="old", answer=3))
    return home


@pytest.fixture(scope="module")
def client(home: Path) -> Iterator[httpx2.Client]:
    with (
        serve(home) as server,
        httpx2.Client(base_url=server.url, verify=NO_TLS) as client,
    ):
        yield client


def ask(client: httpx2.Client, image: bytes = DIGIT, **fields: Any) -> Any:
    body = {"request_id": "1", "model": "clf", "image": base64.b64encode(image).decode()}
    return client.post("/predict/", json=body | fields).json()


def test_whoever_asks_for_nothing_gets_nothing_else(client: httpx2.Client) -> None:
    assert ask(client) == {"request_id": "1", "prediction": 8}


def test_json(client: httpx2.Client) -> None:
    known = ask(client, coverage=0.9, known=True)
    assert known == {"request_id": "1", "prediction": 8, "prediction_set": [8], "known": True}
    strange = ask(client, STRANGE, known=True)
    assert strange == {"request_id": "1", "prediction": 8, "known": False}
    many = ask(client, coverage=0.996)["prediction_set"]
    assert many[0] == 8
    assert len(many) == 10


def tried(client: httpx2.Client, model: str, image: bytes) -> str:
    """What the console's page says of an image."""
    page = client.get("/console/try").text
    found = re.search(r'name="token" value="([^"]+)"', page)
    assert found is not None
    answer = client.post(
        "/console/try",
        data={"token": found[1], "model": model},
        files={"image": ("one.png", image)},
    )
    assert answer.status_code == 200, answer.text
    return answer.text


def test_the_console_says_what_a_version_knows(client: httpx2.Client) -> None:
    page = tried(client, "clf", DIGIT)
    assert "With 90% certainty it is:" in page
    assert "Known: it is like" in page
    strange = tried(client, "clf", STRANGE)
    assert "Unknown: it is unlike" in strange
    assert "which this one is not" in strange


def test_the_console_says_that_a_version_does_not_say(client: httpx2.Client) -> None:
    page = tried(client, "careful", STRANGE)
    assert "It does not say" in page
    assert "8</strong>" not in page
    assert '<label for="truth">It is</label>' in page


def test_the_console_takes_what_the_server_takes(client: httpx2.Client) -> None:
    """A photo of which base64 would be more than a body may have."""
    buffer = io.BytesIO()
    Image.new("RGB", (1680, 1680), (90, 20, 200)).save(buffer, "PNG", compress_level=0)
    page = tried(client, "old", buffer.getvalue())
    assert "3</strong>" in page
    assert len(page) < 100_000


def test_a_form_and_the_query(client: httpx2.Client) -> None:
    files = {"image": ("8.jpg", DIGIT)}
    form = client.post("/predict/clf", files=files, data={"coverage": "0.9", "known": "true"})
    assert form.json()["prediction_set"] == [8]
    assert form.json()["known"] is True
    bare = client.post("/predict/clf?coverage=0.9&known=1", content=STRANGE)
    assert bare.json()["known"] is False


def test_a_batch(client: httpx2.Client) -> None:
    items = [
        {"request_id": str(number), "image": base64.b64encode(image).decode()}
        for number, image in enumerate((DIGIT, STRANGE, b"no image"))
    ]
    body = {"model": "clf", "items": items, "coverage": 0.9, "known": True}
    found = client.post("/predict/batch/", json=body).json()["items"]
    assert [item.get("known") for item in found] == [True, False, None]
    assert [item.get("prediction_set") for item in found] == [[8], [8], None]


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"coverage": 1}, "coverage must be a number between 0 and 1, not 1."),
        ({"coverage": "0.9"}, "coverage must be a number between 0 and 1, not a string."),
        ({"coverage": True}, "coverage must be a number between 0 and 1, not a boolean."),
        ({"coverage": -0.5}, "coverage must be a number between 0 and 1, not -0.5."),
        ({"known": 1}, "known must be true or false, not a number."),
        ({"coverage": 0.999}, "250 images, which state coverages up to 0.996; 0.999 needs 999."),
        ({"coverage": 0.9, "model": "old"}, "has no thresholds for prediction sets"),
        ({"known": True, "model": "old"}, "cannot tell known images from others"),
    ],
)
def test_what_cannot_be_said_is_one_sentence(
    client: httpx2.Client, fields: dict[str, Any], sentence: str
) -> None:
    assert sentence in ask(client, **fields)["detail"]


def test_a_version_abstains_from_what_it_does_not_know(client: httpx2.Client) -> None:
    assert ask(client, model="careful") == {"request_id": "1", "prediction": 8}
    assert ask(client, STRANGE, model="careful") == {
        "request_id": "1", "prediction": None, "prediction_set": [8], "known": False,
    }  # fmt: skip


def test_it_is_counted_and_recorded(client: httpx2.Client, home: Path) -> None:
    ask(client, STRANGE, model="careful", request_id="abstained")
    ask(client, model="careful", request_id="answered")
    # Nobody asked about these; the recorder looks by itself.
    ask(client, STRANGE, request_id="found")

    def kept() -> dict[str, Record]:
        with Database.of(Settings(home=home / "pupila")) as database:
            return {
                record.request_id: record
                for model in ("clf", "careful")
                for record in window(database, model)
            }

    until(lambda: kept().keys() >= {"abstained", "answered", "found"})
    found = kept()
    assert (found["abstained"].label, found["abstained"].abstained) == (8, True)
    assert found["abstained"].known is False
    assert (found["answered"].label, found["answered"].abstained) == (8, False)
    assert (found["found"].known, found["found"].abstained) == (False, None)
    metrics = client.get("/metrics").text
    assert 'pupila_abstentions_total{model="careful"' in metrics
    assert 'outcome="unknown"' in metrics
