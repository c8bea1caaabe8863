"""Large JSON is parsed in pieces, to what it is as a whole."""

import base64
import json
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from errors import BadRequestError
from serving.http.largejson import MAX_PARTS, MAX_REST_BYTES, loads_large, loads_plain

PARTS = st.lists(
    st.sampled_from(
        ['"', "\\", '\\"', "\\u00e9", "\\ud83d\\ude00", "\\ud83d", "\\ude00", "\\n", "\\/", "\\x"]
    )
    | st.sampled_from(["é", "😀", "中", "A", "AAAAAAAA", "{", "}", "[", "]", ":", ",", "1"])
    | st.sampled_from([" ", "\n", "\1"]),
    max_size=40,
).map("".join)


def outcome(body: bytes, *sizes: int) -> Any:
    try:
        return loads_large(body, *sizes) if sizes else orjson.loads(body)
    except orjson.JSONDecodeError:
        return "not JSON"


def same(one: Any, other: Any) -> bool:
    """Whether they are, but for what is cut off of texts that are no base64."""
    if isinstance(one, str) and isinstance(other, str) and not one.isascii():
        return not other.isascii()
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    return bool(one == other)


@settings(max_examples=500, deadline=None)
@given(text=PARTS, long=st.integers(4, 30), piece=st.integers(18, 40))
def test_it_gives_what_orjson_gives(text: str, long: int, piece: int) -> None:
    written = json.dumps({"a": text, "b": [1, {"c": text}, text]}, ensure_ascii=len(text) % 2 == 0)
    for body in (f'["{text}"]', f'{{"k": "{text}"}}', text, written):
        assert same(outcome(body.encode()), outcome(body.encode(), long, piece)), body


@pytest.mark.parametrize("unit", ["AAAA", "A\\/", "\\u0041", "A\\n", "\\\\"])
def test_ten_megabytes_of_text_are_read_exactly(unit: str) -> None:
    body = b'{"image": "%s", "n": [1, "%s"]}' % ((unit * 700_000).encode(), b"B" * 300)
    assert loads_large(body) == orjson.loads(body)


def test_what_is_no_base64_is_not_kept_whole() -> None:
    (text,) = loads_large(("[" + '"' + "A" * 3_000_000 + "😀" * 10 + '"' + "]").encode())
    assert not text.isascii()
    assert 256 < len(text) < 1_000_000


@pytest.mark.parametrize("unit", [b"[],", b'"",', b'{"a":1},'])
def test_many_parts_are_refused(unit: bytes) -> None:
    with pytest.raises(BadRequestError, match=rf"more than {MAX_PARTS} parts"):
        loads_large(b"[" + unit * 60_000 + b"1]")


def test_much_besides_long_strings_is_refused() -> None:
    with pytest.raises(BadRequestError, match=r"more than 2 MiB besides its images"):
        loads_large(b"[" + b" " * MAX_REST_BYTES + b"1]")


IMAGE = bytes(range(256)) * 800
TEXT = base64.b64encode(IMAGE)


@pytest.mark.parametrize(
    "body",
    [
        b'{"image":"%s","model":"clf"}',
        b'{"model": "clf", "request_id": 1, "image": "%s"}\n',
        b'{"model":"clf","options":{"image":"%s"},"note":"\\""}',
        b'{"image":"AAAA","image":"%s"}',
        b'{"image":"%s","image":"AAAA"}',
        b'["%s", null]',
    ],
)
def test_plain_base64_is_read_as_a_large_body_is(body: bytes) -> None:
    body %= TEXT
    plain = loads_plain(body)
    assert plain is not None
    assert plain == loads_large(body, decode=True)


@pytest.mark.parametrize(
    "body",
    [
        b'{"image":"%s","other":"%s"}' % (TEXT, TEXT),
        b'{"other":"%s","image":"%s"}' % (b"A" * 5000, TEXT),
        b'{"image":"data:image/png;base64,%s"}' % TEXT,
        b'{"image":"%s"}' % TEXT.replace(b"/", b"\\/"),
        b'{"image":"%s"}' % TEXT.replace(b"+", b"-"),
        b'{"image":"%s"}' % TEXT[:-1],
        b'{"image":"%s="}' % TEXT,
        b'{"image":"\\"%s"}' % TEXT,
        b'{"image":"%s",}' % TEXT,
        b'{"image":"%s' % TEXT,
        b'{"image":%s}' % (b"1" * 300_000),
        b'{"image":"%s","n":[%s1]}' % (TEXT, b"1," * 3000),
        b'{"a":"b"%s"}' % TEXT,
        b'{"image":"%s"}' % b"A",
        b"{" + b" " * 300_000,
        b"",
    ],
)
def test_what_is_not_plain_is_left_to_those_who_can_tell(body: bytes) -> None:
    assert loads_plain(body) is None


@settings(deadline=None)
@given(before=PARTS, after=PARTS)
def test_whatever_else_a_body_has_plain_is_what_large_is(before: str, after: str) -> None:
    for form in ('{"k":"%s","image":"%s","n":"%s"}', '{"k":"%s%s","n":"%s"}', '{"k":%s"%s"%s}'):
        body = (form % (before, TEXT.decode(), after)).encode()
        plain = loads_plain(body)
        assert plain is None or same(plain, loads_large(body, decode=True))
