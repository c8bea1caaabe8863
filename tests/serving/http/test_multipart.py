"""Forms, as clients send them and as attackers do."""

import pytest

from errors import BadRequestError
from serving.http.multipart import Part, parse_form

TYPE = b"multipart/form-data; boundary=x"


def form(*parts: bytes, boundary: bytes = b"x") -> bytes:
    head = b"--" + boundary + b"\r\nContent-Disposition: form-data; "
    return b"".join(head + part + b"\r\n" for part in parts) + b"--" + boundary + b"--\r\n"


@pytest.mark.parametrize(
    ("part", "read"),
    [
        (b'name="model"\r\n\r\nclf', ("model", None, b"clf")),
        (b"name=model\r\n\r\nclf", ("model", None, b"clf")),
        (b'name="image"; filename="a.jpg"\r\nContent-Type: image/jpeg\r\n\r\n\xff\xd8', None),
        (b'name="image"; filename="\xc3\xa9.jpg"\r\n\r\n', ("image", "é.jpg", b"")),
        (b'name="image"; filename=""\r\n\r\n', ("image", "", b"")),
        (b'name="a"\r\n\r\n\r\n--y\r\n-', ("a", None, b"\r\n--y\r\n-")),
    ],
)
def test_a_field(part: bytes, read: tuple[str, str | None, bytes] | None) -> None:
    expected = Part(*read) if read else Part("image", "a.jpg", b"\xff\xd8")
    assert parse_form(form(part), TYPE, 10) == [expected]


@pytest.mark.parametrize(
    "type_",
    [TYPE, b'multipart/form-data; charset=utf-8; boundary="x"', b"multipart/FORM-data;boundary=x"],
)
def test_the_boundary(type_: bytes) -> None:
    assert [part.text for part in parse_form(form(b'name="a"\r\n\r\nb'), type_, 10)] == ["b"]


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "ends before"),
        (b"{}", "damaged"),
        (b"--x--\r\n", None),
        (form(b'name="a"\r\n\r\nb')[:-8], "ends before"),
        (b"--x\r\nContent-Type: text/plain\r\n\r\na\r\n--x--\r\n", "Content-Disposition"),
        (b"--x\r\nno colon\r\n\r\na\r\n--x--\r\n", "damaged"),
        (form(b"a" * 100_000 + b"\r\n\r\n"), "damaged"),
        (form(*[b'name="a"\r\n\r\n'] * 11), "10 fields at most"),
    ],
)
def test_a_body_that_is_not_a_form(body: bytes, why: str | None) -> None:
    if why is None:
        assert parse_form(body, TYPE, 10) == []
        return
    with pytest.raises(BadRequestError, match=why):
        parse_form(body, TYPE, 10)


def test_a_type_without_a_boundary() -> None:
    with pytest.raises(BadRequestError, match="boundary"):
        parse_form(form(), b"multipart/form-data", 10)


def test_text_is_utf8() -> None:
    (part,) = parse_form(form(b'name="model"\r\n\r\n\xff'), TYPE, 10)
    with pytest.raises(BadRequestError, match="model must be text in UTF-8"):
        _ = part.text
