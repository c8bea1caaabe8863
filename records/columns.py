"""Column types that hold the same value in SQLite and in PostgreSQL."""

import json
import re
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import DateTime, Text
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

from records.prediction import Label

# PostgreSQL accepts no NUL in text, and neither database accepts a lone UTF-16 surrogate; ids,
# sources and names from clients may contain both. ASCII's SUBSTITUTE marks what replaces them.
_SUBSTITUTE: Final = "\x1a"
_REFUSED: Final = re.compile("[\x00\x1a\ud800-\udfff]")
_SUBSTITUTED: Final = re.compile("\x1a([0-9a-f]{4})")


def label_text(label: Label) -> str:
    """A label as it is stored, as JSON in ASCII: ``8``, ``"8"``, ``"caf\\u00e9"``.

    Raises ValueError unless it is an integer of at most 4,300 digits or a string.
    """
    if isinstance(label, bool) or not isinstance(label, int | str):
        raise ValueError(f"a label is an integer or a string, not {label!r}")  # noqa: TRY004
    return json.dumps(label)


def text_label(text: str) -> Label:
    """The label that ``label_text`` wrote."""
    label = json.loads(text)
    if isinstance(label, bool) or not isinstance(label, int | str):
        raise ValueError(f"{text!r} is not a label")  # noqa: TRY004
    return label


class UtcDateTime(TypeDecorator[datetime]):
    """Any time zone in, UTC out. Stored as UTC, since SQLite has no time zones."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value.isoformat()} has no time zone")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(
        self,
        value: datetime | None,
        dialect: Dialect,  # noqa: ARG002
    ) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class AnyText(TypeDecorator[str]):
    """Any text: the few characters that databases refuse are stored as ``\\x1a`` + 4 hex digits.

    ``max_length`` is in characters and checked when writing; 0 for no limit.
    """

    impl = Text
    cache_ok = True

    def __init__(self, max_length: int = 0) -> None:
        super().__init__()
        self.max_length = max_length

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        if value is None:
            return None
        if self.max_length and len(value) > self.max_length:
            raise ValueError(
                f"a string has {len(value):,} characters; the limit is {self.max_length:,}"
            )
        return _REFUSED.sub(lambda match: f"{_SUBSTITUTE}{ord(match[0]):04x}", value)

    def process_result_value(self, value: Any, dialect: Dialect) -> str | None:  # noqa: ARG002
        if value is None:
            return None
        return _SUBSTITUTED.sub(lambda match: chr(int(match[1], 16)), str(value))


class LabelText(TypeDecorator[Label]):
    """A label as JSON, so that the integer 8 and the text "8" differ."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Label | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        return None if value is None else label_text(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> Label | None:  # noqa: ARG002
        return None if value is None else text_label(str(value))
