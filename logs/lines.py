"""One line for each event: JSON for programs, text for a person who reads along."""

import json
import logging
import time
import traceback
from collections.abc import Mapping
from typing import Any, Final

import orjson

from logs.masking import Masker

# Docker cuts a line into pieces of 16 KiB. The end of a traceback says what happened.
_MAX_TRACEBACK: Final = 8000
_MAX_TEXT: Final = 4000


def fields(**values: object) -> dict[str, Any]:
    """What an event is about, for ``extra`` of a call of a logger; what is None is left out."""
    return {"fields": values}


def raised(error: BaseException | None) -> dict[str, Any]:
    """The traceback as text, for ``extra``, in place of ``exc_info``; empty without an error.

    A record that holds an exception holds the frames that it went through, and with them the bodies
    and images of a request, for as long as anybody keeps the record.
    """
    if error is None:
        return {}
    return {"trace": "".join(traceback.format_exception(error)).rstrip()}


class Lines(logging.Formatter):
    """What both forms share. ``always``: fields of every line, such as the worker's number."""

    def __init__(self, masker: Masker | None = None, **always: object) -> None:
        super().__init__()
        self._masker = masker or Masker()
        self._always = {name: value for name, value in always.items() if value is not None}
        self._second = -1
        self._date = ""

    def _time(self, created: float) -> str:
        """``2026-01-31T23:59:59.123Z``; the date costs 2 µs, so it is kept for its second."""
        second = int(created)
        if second != self._second:
            self._date = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
            self._second = second
        return f"{self._date}.{int((created - second) * 1000):03d}Z"

    def _fields(self, record: logging.LogRecord) -> dict[str, object]:
        given: Mapping[str, object] = getattr(record, "fields", {})
        found = {
            name: self._masker.mask(value[:_MAX_TEXT]) if isinstance(value, str) else value
            for name, value in given.items()
            if value is not None
        }
        return found | {name: one for name, one in self._always.items() if name not in found}

    def _event(self, record: logging.LogRecord) -> str:
        try:
            text = record.getMessage()
        except (TypeError, ValueError):
            # Arguments that do not fit the text: still worth a line.
            text = f"{record.msg} {record.args!r}"
        return self._masker.mask(text[:_MAX_TEXT])

    def _traceback(self, record: logging.LogRecord) -> str:
        """Of the exception that the event is about; empty without one."""
        text: str = getattr(record, "trace", "")
        if not text and record.exc_info and record.exc_info[0] is not None:
            text = "".join(traceback.format_exception(*record.exc_info)).rstrip()
        return self._masker.mask(text)[-_MAX_TRACEBACK:]


class JsonLines(Lines):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": self._time(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": self._event(record),
            **self._fields(record),
        }
        trace = self._traceback(record)
        if str(line["event"]).startswith("Traceback "):
            # uvicorn has one for its message.
            trace, line["event"] = str(line["event"]), "an error of ours"
        if trace:
            line["error"] = trace.rstrip().rpartition("\n")[2]
            line["traceback"] = trace
        try:
            return orjson.dumps(line, default=str, option=orjson.OPT_NON_STR_KEYS).decode()
        except orjson.JSONEncodeError:
            # What a client sends may be no valid Unicode, or a number of more than 64 bits.
            return json.dumps(line, default=str)


class TextLines(Lines):
    def format(self, record: logging.LogRecord) -> str:
        start = f"{self._time(record.created)} {record.levelname.lower():<7} {record.name}: "
        return start + self._rest(record)

    def _rest(self, record: logging.LogRecord) -> str:
        found = " ".join(f"{name}={_short(value)}" for name, value in self._fields(record).items())
        text = printable(self._event(record)) + (f" ({found})" if found else "")
        trace = self._traceback(record)
        return f"{text}\n{trace}" if trace else text


class CommandLines(TextLines):
    """For whoever has just run a command: ``Warning: …``, as its error is ``Error: …``."""

    def format(self, record: logging.LogRecord) -> str:
        return f"{record.levelname.capitalize()}: {self._rest(record)}"


def printable(text: str) -> str:
    """The text with a question mark for each control character, which could act on a terminal."""
    return "".join(character if character.isprintable() else "?" for character in text)


def _short(value: object) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{name}: {_short(one)}" for name, one in value.items()) + "}"
    if isinstance(value, float):
        return f"{value:.6g}"
    text = printable(str(value))
    return repr(text) if " " in text or not text else text
