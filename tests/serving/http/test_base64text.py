"""Base64 as clients write it."""

import base64
from pathlib import Path

import pytest

from errors import BadRequestError
from serving.http.base64text import decode_base64

IMAGE = Path("tests/data/digit8.jpg").read_bytes()
TEXT = base64.b64encode(IMAGE).decode()
URL_SAFE = base64.urlsafe_b64encode(IMAGE).decode()
PERCENT = TEXT.replace("+", "%2B").replace("/", "%2f").replace("=", "%3D")


@pytest.mark.parametrize(
    "text",
    [
        TEXT,
        TEXT.rstrip("="),
        URL_SAFE,
        URL_SAFE.rstrip("="),
        f" {TEXT}\r\n",
        "\n".join(TEXT[start : start + 76] for start in range(0, len(TEXT), 76)),
        f"data:image/jpeg;base64,{TEXT}",
        f"DATA:image/jpeg;BASE64,{TEXT}",
        f"data:;charset=utf-8;base64;name=a.jpg,{TEXT}",
        f"data:image/jpeg;base64,{PERCENT}",
        f"  data:image/jpeg;base64, {TEXT} ",
        f"data:image/jpeg;base64,{URL_SAFE}",
    ],
)
def test_these_are_the_image(text: str) -> None:
    assert decode_base64(text) == IMAGE


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        (f"b'{TEXT}'", "Python bytes object"),
        (TEXT.replace("+", " "), "spaces"),
        ("https://example.org/cat.jpg", "URLs are not fetched"),
        (f"data:image/jpeg,{TEXT}", ";base64"),
        (f"data:image/jpeg;base64{TEXT.replace(',', '')}", "comma"),
        ("ab?d", "not base64"),
        ("ü" * 8, "not base64"),
        ("A", "not base64"),
        ("/" + TEXT, "not base64"),
        ("data:image/jpeg;base64,", "empty"),
    ],
)
def test_the_sentence_names_the_cause(text: str, cause: str) -> None:
    with pytest.raises(BadRequestError, match=rf"^Invalid image data: .*{cause}"):
        decode_base64(text)
