"""The request parser: every fault has its one sentence, and everything else is taken."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from errors import BadRequestError
from serving.http.parser import (
    BatchQuery,
    ImageItem,
    LabelItem,
    Query,
    TrueLabel,
    parse_batch,
    parse_feedback,
    parse_query,
)

GOOD: dict[str, Any] = {"request_id": "1", "model": "clf", "image": "aGVsbG8="}

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children),
    max_leaves=8,
)


def parse(**changes: Any) -> Query:
    return parse_query(json.dumps(GOOD | changes).encode())


def fault(body: bytes) -> str:
    with pytest.raises(BadRequestError) as caught:
        parse_query(body)
    return str(caught.value)


def fault_of(**changes: Any) -> str:
    return fault(json.dumps(GOOD | changes).encode())


def test_a_complete_request() -> None:
    expected = Query("1", "clf", b"hello", probabilities=False)
    assert parse() == expected
    assert parse(embedding=True) == expected._replace(embedding=True)


@pytest.mark.parametrize("request_id", ["1", "x" * 128, "ü\u0000\n", 0, -1, 2**63, 2**64 - 1])
def test_request_ids_are_kept_as_given(request_id: str | int) -> None:
    assert parse(request_id=request_id).request_id == request_id


@pytest.mark.parametrize(
    "image",
    ["aGVsbG8=", "data:image/png;base64,aGVsbG8=", "aGVs\nbG8=", "aGVs\r\nbG8=\n", "a GVsbG8="],
)
def test_the_ways_to_write_base64(image: str) -> None:
    assert parse(image=image).image == b"hello"


def test_unknown_fields_are_ignored() -> None:
    assert parse(other=[1, {"a": None}]) == parse()


@pytest.mark.parametrize(
    "body", [b"", b"{", b"\xff", b"nan", b'{"a": NaN}', b"{'a': 1}", b"[" * 60_000]
)
def test_what_is_not_json(body: bytes) -> None:
    assert fault(body) == ("Body is not valid JSON: send an object, as /docs.json describes it.")


@pytest.mark.parametrize("part", [b"[],", b'"x",', b'{"a":1},'])
def test_what_would_take_long_to_parse_is_not_parsed(part: bytes) -> None:
    body = b"[" + part * 40_000 + b"1]"
    assert fault(body).startswith(
        "Body is not valid JSON for a request: it has more than 10000 parts; send an image as "
    )


def test_a_large_image_is_no_reason_to_refuse() -> None:
    assert len(parse(image="AAAA" * 100_000).image) == 300_000


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"[]", "an array"),
        (b'"x"', "a string"),
        (b"1", "a number"),
        (b"true", "a boolean"),
        (b"null", "null"),
    ],
)
def test_json_that_is_no_object(body: bytes, kind: str) -> None:
    assert (
        fault(body) == f"Body is not valid JSON for a request: an object is expected, not {kind}."
    )


@pytest.mark.parametrize("nothing", [None, ""])
@pytest.mark.parametrize(
    ("field", "sentence"),
    [
        ("image", "Image data is required"),
        ("model", "Model name is required"),
        ("request_id", "Request id is required"),
    ],
)
def test_a_required_field_is_empty(field: str, sentence: str, nothing: str | None) -> None:
    assert fault_of(**{field: nothing}) == sentence


@pytest.mark.parametrize(
    ("present", "sentence"),
    [
        ([], "Image data is required"),
        (["model", "request_id"], "Image data is required"),
        (["image", "request_id"], "Model name is required"),
        (["image"], "Model name is required"),
        (["image", "model"], "Request id is required"),
    ],
)
def test_image_then_model_then_request_id(present: list[str], sentence: str) -> None:
    assert fault(json.dumps({name: GOOD[name] for name in present}).encode()) == sentence


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"image": 1}, "image must be a string of base64, not a number."),
        ({"image": ["x"]}, "image must be a string of base64, not an array."),
        ({"model": True}, "model must be a string of 1 to 200 characters, not a boolean."),
        (
            {"model": "x" * 201},
            "model must be a string of 1 to 200 characters, not 201 characters.",
        ),
        ({"probabilities": 1}, "probabilities must be true or false, not a number."),
        ({"embedding": "yes"}, "embedding must be true or false, not a string."),
    ],
)
def test_a_field_of_another_type_or_length(changes: dict[str, Any], sentence: str) -> None:
    assert fault_of(**changes) == sentence


@pytest.mark.parametrize(
    ("request_id", "given"),
    [
        ("x" * 129, "129 characters"),
        (1.5, "a number"),
        (True, "a boolean"),
        (2**64, "a number"),
        ([], "an array"),
        ({}, "an object"),
    ],
)
def test_a_request_id_of_another_kind(request_id: Any, given: str) -> None:
    assert fault_of(request_id=request_id) == (
        f"request_id must be a string of 1 to 128 characters or a 64-bit integer, not {given}."
    )


@pytest.mark.parametrize(
    ("image", "why"),
    [
        ("a", "it is not base64"),
        ("aGVsbG8=!", "it is not base64"),
        ("äöü", "it is not base64"),
        ("  ", "it is empty"),
        ("data:image/png;base64,", "it is empty"),
        ("data:image/png", "a data: URL has a comma before its data"),
    ],
)
def test_an_image_that_is_not_base64(image: str, why: str) -> None:
    assert fault_of(image=image) == f"Invalid image data: {why}"


@given(body=st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_body_is_taken_or_refused_with_a_sentence(body: bytes) -> None:
    try:
        query = parse_query(body)
    except BadRequestError as error:
        assert str(error)  # noqa: PT017 - both outcomes are right
    else:
        assert query.image


@given(
    content=st.binary(min_size=1),
    request_id=st.text(min_size=1, max_size=128).filter(lambda text: text.isprintable())
    | st.integers(-(2**63), 2**64 - 1),
    model=st.text("abc:.-_0", min_size=1, max_size=200),
    probabilities=st.booleans(),
)
def test_whatever_is_right_comes_back_as_sent(
    content: bytes, request_id: str | int, model: str, probabilities: bool
) -> None:
    image = base64.b64encode(content).decode()
    query = parse(request_id=request_id, model=model, image=image, probabilities=probabilities)
    assert query == Query(request_id, model, content, probabilities)


def batch(**changes: Any) -> bytes:
    items = [{"request_id": 1, "image": "aGVsbG8="}]
    return json.dumps({"model": "clf", "items": items} | changes).encode()


def test_null_is_as_if_it_was_left_out() -> None:
    left_out = {"probabilities": None, "embedding": None, "coverage": None, "known": None}
    assert parse(**left_out) == parse()


def test_a_batch() -> None:
    expected = BatchQuery("clf", [ImageItem(1, b"hello")], probabilities=False)
    assert parse_batch(batch()) == expected
    assert parse_batch(batch(embedding=True)) == expected._replace(embedding=True)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"items": None}, "items must be an array of 1 to 256 objects, not null."),
        ({"items": []}, "items must be an array of 1 to 256 objects, not 0 of them."),
        ({"items": [{}] * 257}, "items must be an array of 1 to 256 objects, not 257 of them."),
        ({"model": ""}, "Model name is required"),
        ({"probabilities": 1}, "probabilities must be true or false, not a number."),
    ],
)
def test_a_batch_that_is_wrong_as_a_whole(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        parse_batch(batch(**changes))
    assert str(caught.value) == sentence


@pytest.mark.parametrize(
    ("item", "request_id", "sentence"),
    [
        (5, None, "An item must be an object, not a number."),
        ({}, None, "Image data is required"),
        ({"request_id": 3}, 3, "Image data is required"),
        ({"image": "aGVsbG8="}, None, "Request id is required"),
        ({"image": "?", "request_id": 7}, 7, "Invalid image data: it is not base64"),
    ],
)
def test_an_item_that_is_wrong_fails_alone(
    item: Any, request_id: int | None, sentence: str
) -> None:
    good = {"request_id": 1, "image": "aGVsbG8="}
    first, second = parse_batch(batch(items=[item, good])).items
    assert first.request_id == request_id
    assert str(first.image) == sentence
    assert second == (1, b"hello")


def feedback(content: Any) -> tuple[list[LabelItem], str]:
    return parse_feedback(json.dumps(content).encode())


def test_one_label() -> None:
    said = {"request_id": 7, "label": "cat", "model": "pets", "image": "aGVsbG8=", "source": "x"}
    assert feedback(said) == ([(7, TrueLabel("cat", "pets", b"hello", "x"))], "one")


def test_labels_with_items_around_them_or_without() -> None:
    items = [{"request_id": "a", "label": 8}]
    assert feedback(items) == ([("a", TrueLabel(8, None, None, ""))], "array")
    assert feedback({"items": items}) == ([("a", TrueLabel(8, None, None, ""))], "items")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"label": None}, "Label is required"),
        ({"label": ""}, "Label is required"),
        (
            {"label": True},
            "label must be an integer or a string of 1 to 256 characters, not a boolean.",
        ),
        (
            {"label": "x" * 257},
            "label must be an integer or a string of 1 to 256 characters, not 257 characters.",
        ),
        ({"source": 5}, "source must be a string of up to 128 characters, not a number."),
        (
            {"source": "x" * 129},
            "source must be a string of up to 128 characters, not 129 characters.",
        ),
        ({"image": "aGVsbG8="}, "Model name is required"),
        ({"model": 5}, "model must be a string of 1 to 200 characters, not a number."),
    ],
)
def test_a_label_that_is_wrong(changes: dict[str, Any], sentence: str) -> None:
    content = {"request_id": "a", "label": 8} | changes
    with pytest.raises(BadRequestError) as caught:
        feedback(content)
    assert str(caught.value) == sentence
    [said], _ = feedback([content])
    assert (said.request_id, str(said.true_label)) == ("a", sentence)


@given(body=st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_feedback_is_taken_or_refused_with_a_sentence(body: bytes) -> None:
    try:
        query = parse_feedback(body)
    except BadRequestError as error:
        assert str(error)  # noqa: PT017 - both outcomes are right
    else:
        assert query.items


def test_what_else_is_asked_of_a_label() -> None:
    plain = Query("1", "clf", b"hello", probabilities=False)
    assert parse(coverage=0.95, known=True) == plain._replace(coverage=0.95, known=True)
    assert parse(coverage=None) == plain
    assert parse_batch(batch(coverage=0.9)).coverage == 0.9
    assert parse_batch(batch(known=True)).known


@pytest.mark.parametrize("coverage", [0, 1, 1.5, -0.1, True, "0.9", [], 10**30])
def test_a_coverage_is_a_proportion(coverage: object) -> None:
    with pytest.raises(BadRequestError, match=r"coverage must be a number between 0 and 1, not "):
        parse(coverage=coverage)
