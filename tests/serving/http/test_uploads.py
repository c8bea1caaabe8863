"""What is asked by a body that is no JSON, by the path and by the query."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from starlette.types import Scope

from errors import BadRequestError
from serving.http.parser import BatchQuery, ImageItem, Query
from serving.http.uploads import parse_plainly, parse_upload
from tests.serving.http.test_multipart import TYPE, form

JPEG = Path("tests/data/digit8.jpg").read_bytes()
FILE = b'name="image"; filename="8.jpg"\r\n\r\n' + JPEG
MODEL = b'name="model"\r\n\r\nclf'


def scope(
    type_: bytes = b"", model: str | None = None, query: bytes = b"", request_id: bytes = b""
) -> Scope:
    headers = [(b"content-type", type_)] if type_ else []
    headers += [(b"x-request-id", request_id)] if request_id else []
    made: Scope = {"type": "http", "headers": headers, "query_string": query}
    if model is not None:
        made["path_params"] = {"model": model}
    return made


def one(scope: Scope, body: bytes) -> Query:
    query = parse_upload(scope, body, "default")
    assert isinstance(query, Query)
    return query


def several(scope: Scope, *parts: bytes) -> BatchQuery:
    query = parse_upload(scope, form(*parts), "default")
    assert isinstance(query, BatchQuery)
    return query


@pytest.mark.parametrize(
    "type_",
    [b"", b"image/jpeg", b"application/octet-stream", b"application/x-www-form-urlencoded"],
)
def test_an_image_as_it_is(type_: bytes) -> None:
    query = one(scope(type_, "clf", request_id=b"7"), JPEG)
    assert query == Query("7", "clf", JPEG, probabilities=False, in_header=True)


def test_an_image_without_an_id_is_given_one() -> None:
    first, second = (one(scope(model="clf"), JPEG).request_id for _ in range(2))
    assert first != second
    assert len(str(first)) == 32


def test_an_unreadable_image_is_an_image_by_its_type() -> None:
    assert one(scope(b"image/heic", "clf"), b"?").image == b"?"
    assert one(scope(model="clf"), b"II*\0abc").image == b"II*\0abc"


def test_an_image_that_names_no_model_is_for_the_default() -> None:
    assert one(scope(), JPEG).model == "default"
    assert one(scope(TYPE), form(FILE)).model == "default"


def test_a_form() -> None:
    ident = b'name="request_id"\r\n\r\n7'
    yes = b'name="probabilities"\r\n\r\ntrue'
    expected = Query("7", "clf", JPEG, probabilities=True, in_header=True)
    assert one(scope(TYPE), form(FILE, MODEL, ident, yes)) == expected


def test_what_else_a_form_or_the_query_asks_for() -> None:
    wanted = b'name="embedding"\r\n\r\ntrue'
    assert one(scope(TYPE), form(FILE, MODEL, wanted)).embedding
    assert one(scope(model="clf", query=b"embedding=1"), JPEG).embedding
    assert several(scope(TYPE, "clf"), FILE, FILE, wanted).embedding


def test_a_form_may_have_base64_as_text() -> None:
    text = b'name="image"\r\n\r\n' + base64.b64encode(JPEG)
    assert one(scope(TYPE), form(text, MODEL)).image == JPEG


def test_an_empty_file_input_is_no_image() -> None:
    empty = b'name="other"; filename=""\r\n\r\n'
    assert one(scope(TYPE), form(empty, FILE, MODEL)).image == JPEG


def test_several_images_are_a_batch() -> None:
    query = several(scope(TYPE, "clf", request_id=b"7"), FILE, FILE)
    items = [ImageItem("7-1", JPEG), ImageItem("7-2", JPEG)]
    assert query == BatchQuery("clf", items, probabilities=False, request_id="7")


def test_each_image_may_have_an_id() -> None:
    ids = [b'name="request_id"\r\n\r\na', b'name="request_id"\r\n\r\nb']
    assert [item.request_id for item in several(scope(TYPE, "clf"), FILE, FILE, *ids).items] == [
        "a",
        "b",
    ]


def test_json_may_leave_the_model_to_the_path() -> None:
    body = json.dumps({"request_id": 1, "image": "aGVsbG8="}).encode()
    assert one(scope(model="clf"), body) == Query(1, "clf", b"hello", probabilities=False)


@pytest.mark.parametrize(
    ("query", "sent", "probabilities"),
    [(b"probabilities=true", {}, True), (b"probabilities=1&x=y", {"probabilities": False}, False)],
)
def test_json_and_the_query(query: bytes, sent: dict[str, Any], probabilities: bool) -> None:
    body = json.dumps({"request_id": 1, "model": "clf", "image": "aGVsbG8="} | sent).encode()
    assert one(scope(query=query), body).probabilities is probabilities


@pytest.mark.parametrize(
    ("asked", "body", "why"),
    [
        (scope(b"image/jpeg"), b"", "^Image data is required$"),
        (scope(TYPE), form(MODEL), "^Image data is required$"),
        (scope(query=b"a=b"), b'{"request_id":1,"image":"aGVsbG8="}', "^Model name is required$"),
        (scope(model="a"), b'{"request_id":1,"model":"b","image":"aGVsbG8="}', "'a'.*'b'"),
        (scope(model="a"), b'{"request_id":1,"model":false,"image":"aGVsbG8="}', "'a'.*'False'"),
        (scope(TYPE, "a"), form(FILE, MODEL), "'a'.*'clf'"),
        (scope(TYPE), form(FILE, MODEL, b'name="model"\r\n\r\nb'), "more than one model"),
        (scope(model="clf", request_id=b"a" * 129), JPEG, "X-Request-ID must be"),
        (scope(model="clf", request_id=b"\xe9"), JPEG, "X-Request-ID must be"),
        (scope(model="clf", query=b"probabilities=maybe"), JPEG, "true or false, not 'maybe'"),
        (scope(model="clf", query=b"embedding=2"), JPEG, "embedding must be true or false"),
        (scope(model="clf", query=b"coverage=abc"), JPEG, "between 0 and 1, not 'abc'"),
        (scope(model="clf", query=b"coverage=0.9_5"), JPEG, "between 0 and 1, not '0.9_5'"),
        (scope(model="clf", query=b"known"), JPEG, "known has no value: write known=true"),
        (scope(model="clf", query=b"coverage="), JPEG, "write coverage=0.95"),
        (scope(model="clf", query=b"known=1&known=0"), JPEG, "query has more than one known"),
        (scope(TYPE, "clf"), form(*[FILE] * 3, *[b'name="request_id"\r\n\r\na'] * 2), "2 request"),
        (scope(TYPE, "clf"), form(*[FILE] * 257), "256 images at most"),
        (scope(), b"hello", "^Body is not valid JSON"),
        (scope(), b"<svg>", "^Body is not valid JSON"),
    ],
)
def test_what_is_refused(asked: Scope, body: bytes, why: str) -> None:
    with pytest.raises(BadRequestError, match=why):
        parse_upload(asked, body, "default")


@pytest.mark.parametrize("text", [b"x", b"nan", b"2", b"1e999", b"-0.5", "½".encode()])
def test_a_coverage_in_a_form_is_a_proportion(text: bytes) -> None:
    with pytest.raises(BadRequestError, match="coverage must be a number between 0 and 1, not "):
        one(scope(TYPE), form(FILE, MODEL, b'name="coverage"\r\n\r\n' + text))


@pytest.mark.parametrize("query", [b"known=650", b"coverage=7", b"probabilities=maybe"])
@pytest.mark.parametrize("is_json", [False, True])
def test_what_the_body_says_again_is_checked_in_the_query_too(query: bytes, is_json: bool) -> None:
    name = query.partition(b"=")[0].decode()
    value = 0.5 if name == "coverage" else False
    fields = {"request_id": 1, "model": "clf", "image": "aGVsbG8=", name: value}
    text = f'name="{name}"\r\n\r\n{str(value).lower()}'.encode()
    body = json.dumps(fields).encode() if is_json else form(FILE, MODEL, text)
    with pytest.raises(BadRequestError, match=f"^{name} must be"):
        one(scope(b"application/json" if is_json else TYPE, query=query), body)


def test_a_coverage_and_whether_it_is_known() -> None:
    wanted = (b'name="coverage"\r\n\r\n0.9', b'name="known"\r\n\r\ntrue')
    query = one(scope(TYPE), form(FILE, MODEL, *wanted))
    assert (query.coverage, query.known) == (0.9, True)
    bare = one(scope(model="clf", query=b"coverage=0.9&known=1"), JPEG)
    assert (bare.coverage, bare.known) == (0.9, True)
    both = several(scope(TYPE, "clf"), FILE, FILE, *wanted)
    assert (both.coverage, both.known) == (0.9, True)
    assert one(scope(TYPE), form(FILE, MODEL)).coverage is None


LARGE = JPEG + bytes(300_000)
TEXT = base64.b64encode(LARGE).decode()


@pytest.mark.parametrize(
    ("asked", "body"),
    [
        (scope(b"image/jpeg", "clf", request_id=b"7"), LARGE),
        (scope(b"", "clf", b"probabilities=true", b"7"), LARGE),
        (scope(), json.dumps({"request_id": 1, "model": "clf", "image": TEXT}).encode()),
        (scope(b"", "clf"), json.dumps({"request_id": 1, "image": TEXT}).encode()),
    ],
)
def test_a_large_body_with_one_plain_image_is_read_at_once(asked: Scope, body: bytes) -> None:
    plain = parse_plainly(asked, body, "default")
    assert plain is not None
    assert plain == parse_upload(asked, body, "default")


@pytest.mark.parametrize(
    ("type_", "body"),
    [
        (TYPE, form(FILE, MODEL)),
        (b"image/heic", b"?" * 300_000),
        (b"", json.dumps([TEXT]).encode()),
        (b"", b"\xef\xbb\xbf" + json.dumps({"image": TEXT}).encode()),
        (b"", json.dumps({"image": f"data:image/jpeg;base64,{TEXT}"}).encode()),
    ],
)
def test_any_other_large_body_is_not(type_: bytes, body: bytes) -> None:
    assert parse_plainly(scope(type_, "clf"), body, "default") is None


def test_what_is_wrong_with_a_plain_body_is_said_as_of_any_other() -> None:
    body = json.dumps({"request_id": 1, "image": TEXT, "model": 5}).encode()
    with pytest.raises(BadRequestError, match="model must be a string"):
        parse_plainly(scope(), body, "default")
