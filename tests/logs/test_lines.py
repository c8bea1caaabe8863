import json
import logging
import sys
from typing import Any

import pytest

from logs.lines import CommandLines, JsonLines, TextLines, fields, raised
from logs.masking import Masker


def record(event: str, *arguments: object, error: bool = False, **about: object) -> Any:
    info = sys.exc_info() if error else None
    made = logging.LogRecord("pupila.x", logging.WARNING, "", 0, event, arguments, info)
    made.created = 1_800_000_000.25
    made.__dict__.update(fields(**about) if about else {})
    return made


def test_a_line_is_json_with_utc_and_what_the_event_is_about() -> None:
    line = json.loads(
        JsonLines(worker=2, pid=7).format(record("it is %s", "hot", seconds=0.5, b=None))
    )
    assert line == {
        "time": "2027-01-15T08:00:00.250Z",
        "level": "warning",
        "logger": "pupila.x",
        "event": "it is hot",
        "seconds": 0.5,
        "worker": 2,
        "pid": 7,
    }


def test_an_exception_is_one_line_with_its_traceback_in_a_field() -> None:
    try:
        int("token=abc\nand more")
    except ValueError:
        text = JsonLines().format(record("it failed", error=True))
    assert "\n" not in text
    line = json.loads(text)
    assert line["error"].startswith("ValueError: invalid literal")
    assert line["traceback"].startswith("Traceback")
    assert "token=***" in line["traceback"]


def test_a_traceback_that_a_library_sends_as_its_message_is_one_too() -> None:
    text = "Traceback (most recent call last):\n  File x\nValueError: odd\n"
    line = json.loads(JsonLines().format(record(text)))
    assert (line["event"], line["error"]) == ("an error of ours", "ValueError: odd")


@pytest.mark.parametrize(
    "odd", ["\udc80", "\u2028", "\x00\x1b[31m", "x" * 100_000, 10**30, {1: {2}}]
)
@pytest.mark.parametrize("form", [JsonLines, TextLines])
def test_whatever_a_client_sends_is_one_line_of_limited_length(
    odd: object, form: type[JsonLines | TextLines]
) -> None:
    text = form().format(record("request", request_id=odd))
    assert "\n" not in text
    assert len(text.encode(errors="replace")) < 16_384
    assert form is TextLines or json.loads(text)["event"] == "request"


def test_arguments_that_do_not_fit_are_still_a_line() -> None:
    assert "odd %s" in JsonLines().format(record("odd %s %s", 1))


def test_text_is_for_reading() -> None:
    form = TextLines(Masker(["hunter2"]), worker=1)
    assert form.format(record("it is hunter2", why="so it is", n=0.25)) == (
        "2027-01-15T08:00:00.250Z warning pupila.x: it is *** (why='so it is' n=0.25 worker=1)"
    )


def test_a_command_says_it_as_it_says_its_errors() -> None:
    assert CommandLines().format(record("it is odd")) == "Warning: it is odd"


def test_a_traceback_as_text_is_one_like_any_other() -> None:
    kept = record("it failed")
    try:
        int("x")
    except ValueError as error:
        kept.__dict__.update(raised(error))
    assert kept.exc_info is None
    line = json.loads(JsonLines().format(kept))
    assert line["error"] == "ValueError: invalid literal for int() with base 10: 'x'"
    assert line["traceback"].startswith("Traceback (most recent call last):\n")


def test_without_an_error_there_is_no_traceback() -> None:
    assert raised(None) == {}
