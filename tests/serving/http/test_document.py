"""The document describes every field that an answer has, and every route that there is."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx2
import pytest

from serving.http.document import openapi
from serving.http.route import Route
from serving.http.routes import FEEDBACK, HOT, MODELS, PREDICT, PREDICT_BATCH, ROUTES

DOCUMENT = openapi("Pupila", "1", "")
DIGIT8 = json.loads((Path("tests") / "data" / "predict_digit8.json").read_bytes())
NO_IMAGE = {"request_id": "1", "image": "?"}
LABEL = {"request_id": "document", "label": 8, "model": "clf", "image": DIGIT8["image"]}


def undeclared(content: Any, schema: Mapping[str, Any], where: str = "") -> Iterator[str]:
    """The fields of ``content`` that its schema, or each of its alternatives, does not have."""
    if "$ref" in schema:
        schema = DOCUMENT["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    if "anyOf" in schema:
        found = [list(undeclared(content, one, where)) for one in schema["anyOf"]]
        yield from min(found, key=len)
    elif isinstance(content, dict):
        if "additionalProperties" in schema:
            return
        properties = schema.get("properties", {})
        yield from (f"{where}.{name}" for name in content if name not in properties)
        for name in content.keys() & properties.keys():
            yield from undeclared(content[name], properties[name], f"{where}.{name}")
    elif isinstance(content, list):
        for item in content:
            yield from undeclared(item, schema.get("items", {}), f"{where}[]")


def schema_of(route: Route, status: int) -> Mapping[str, Any]:
    responses = DOCUMENT["paths"][route.path][route.method.lower()]["responses"]
    found: Mapping[str, Any] = responses[str(status)]["content"]["application/json"]["schema"]
    return found


@pytest.mark.parametrize(
    ("route", "body", "status"),
    [
        (PREDICT, DIGIT8, 200),
        (PREDICT, DIGIT8 | {"probabilities": True}, 200),
        (PREDICT, {}, 400),
        (PREDICT_BATCH, {"model": "clf", "items": [DIGIT8, NO_IMAGE], "probabilities": True}, 200),
        (PREDICT_BATCH, {"model": "clf", "items": []}, 400),
        (FEEDBACK, LABEL, 200),
        (FEEDBACK, [LABEL, {}], 200),
        (FEEDBACK, {"items": [LABEL, {}]}, 200),
        (FEEDBACK, {}, 400),
        (FEEDBACK, {"request_id": "never asked", "label": 8}, 404),
        (MODELS, None, 200),
    ],
)
def test_an_answer_has_no_field_that_the_document_lacks(
    in_process: httpx2.Client, route: Route, body: Any, status: int
) -> None:
    answer = in_process.request(route.method, route.path, json=body)
    assert answer.status_code == status
    assert list(undeclared(answer.json(), schema_of(route, status))) == []


def test_a_field_that_the_document_lacks_is_found() -> None:
    content = {"request_id": "1", "prediction": 8, "new": 1}
    assert list(undeclared(content, schema_of(PREDICT, 200))) == [".new"]
    items = {"items": [{"request_id": "1", "prediction": 8, "new": 1}]}
    assert list(undeclared(items, schema_of(PREDICT_BATCH, 200))) == [".items[].new"]


def test_each_route_is_in_the_table_once() -> None:
    assert len({(route.path, route.method) for route in ROUTES}) == len(ROUTES)
    assert len({route.name for route in ROUTES}) == len(ROUTES)


def test_hot_routes_work_with_and_without_their_slash() -> None:
    assert HOT[PREDICT.path] is HOT[PREDICT.path.rstrip("/")] is PREDICT


def test_every_documented_route_is_served(in_process: httpx2.Client) -> None:
    for route in ROUTES:
        path = route.path.replace("{model}", "clf").replace("{version}", "champion")
        answer = in_process.request(route.method, path)
        assert answer.status_code not in (404, 405), path
