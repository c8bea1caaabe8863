"""Made-up bodies: no 5xx, every error one sentence, and the server goes on."""

import base64
import json
from pathlib import Path
from typing import Any

import httpx2
import orjson
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.attack import WHOLE

DIGIT8 = json.loads(Path("tests/data/predict_digit8.json").read_bytes())
JPEG = Path("tests/data/digit8.jpg").read_bytes()

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=10,
)

SIGNATURES = st.sampled_from(
    [b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"BM", b"RIFF\x00\x00\x00\x00WEBP"]
)


@st.composite
def mutated_jpeg(draw: st.DrawFn) -> bytes:
    content = bytearray(JPEG)
    for _ in range(draw(st.integers(1, 5))):
        content[draw(st.integers(0, len(content) - 1))] = draw(st.integers(0, 255))
    return bytes(content[: draw(st.integers(1, len(content)))])


IMAGES = (
    (st.binary(max_size=500) | mutated_jpeg() | st.tuples(SIGNATURES, st.binary()).map(b"".join))
    .map(base64.b64encode)
    .map(bytes.decode)
)

FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "request_id": st.just("123") | st.text() | st.integers() | ANYTHING,
        "model": st.sampled_from(["clf", "clf.pickle", "clf:champion", "old"]) | ANYTHING,
        "image": st.just(DIGIT8["image"]) | IMAGES | ANYTHING,
        "probabilities": st.booleans() | ANYTHING,
        "other": ANYTHING,
    },
)

BODIES = (
    st.binary()
    | ANYTHING.map(lambda value: json.dumps(value).encode())
    | FIELDS.map(lambda value: json.dumps(value).encode())
    | FIELDS.map(
        lambda value: json.dumps(DIGIT8 | value, ensure_ascii=False).encode("utf-8", "replace")
    )
)

TYPES = st.sampled_from(
    [
        "application/json",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "application/vnd.bentoml+pickle",
        "text/plain",
    ]
)


def assert_right(response: httpx2.Response) -> None:
    answer: Any = orjson.loads(response.content)
    if response.status_code == 200:
        assert {"request_id", "prediction"} <= answer.keys()
    else:
        assert 400 <= response.status_code < 500, response.text
        assert list(answer) == ["detail"]
        assert type(answer["detail"]) is str


def test_no_body_breaks_the_server(http: httpx2.Client) -> None:
    sent = 0
    number = 5000 if WHOLE else 400

    @settings(
        max_examples=number, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )
    @given(body=BODIES, content_type=TYPES)
    def send(body: bytes, content_type: str) -> None:
        nonlocal sent
        sent += 1
        headers = {"Content-Type": content_type}
        assert_right(http.post("/predict/", content=body, headers=headers))

    send()
    assert sent >= number
    assert http.get("/readyz").status_code == 200
    assert http.post("/predict/", json=DIGIT8).json() == {"request_id": "123", "prediction": 8}
