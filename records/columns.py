"""Column types that hold the same value in SQLite and in PostgreSQL."""

import json
import re
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import DateTime, Text
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

from records.prediction import Label

# PostgreSQL takes no NUL in text, and neither database a half of a UTF-16 pair; ids, sources and
# names that clients send may have both. ASCII's SUBSTITUTE marks what stands for them.
_SUBSTITUTE: Final = "\x1a"
_REFUSED: Final = re.compile("[\x00\x1a\ud800-\udfff]")
_SUBSTITUTED: Final = re.compile("\x1a([0-9a-f]{4})")


def label_text(label: Label) -> str:
    """A label as JSON in ASCII, the form in which it is stored: ``8``, ``"8"``, ``"caf\\u00e9"``.

    Raises ValueError for what is no label: neither an integer nor text, or beyond 4,300 digits.
    """
    if isinstance(label, bool) or not isinstance(label, int | str):
        raise ValueError(f"a label is an integer or a text, not {label!r}")  # noqa: TRY004
    return json.dumps(label)


def text_label(text: str) -> Label:
    """The label that ``label_text`` wrote."""
    label = json.loads(text)
    if isinstance(label, bool) or not isinstance(label, int | str):
        raise ValueError(f"{text!r} is no label")  # noqa: TRY004
    return label


class UtcDateTime(TypeDecorator[datetime]):
    """A moment: aware in, aware in UTC out. SQLite has no time zones, so all are stored as UTC."""

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
    """Text with any character: the few that a database refuses are stored as ``\\x1a`` + 4 digits.

    ``longest`` is in characters, and only checked on the way in; 0 for no bound.
    """

    impl = Text
    cache_ok = True

    def __init__(self, longest: int = 0) -> None:
        super().__init__()
        self.longest = longest

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        if value is None:
            return None
        if self.longest and len(value) > self.longest:
            raise ValueError(f"a text of {len(value):,} characters is over {self.longest:,}")
        return _REFUSED.sub(lambda found: f"{_SUBSTITUTE}{ord(found[0]):04x}", value)

    def process_result_value(self, value: Any, dialect: Dialect) -> str | None:  # noqa: ARG002
        if value is None:
            return None
        return _SUBSTITUTED.sub(lambda found: chr(int(found[1], 16)), str(value))


class LabelText(TypeDecorator[Label]):
    """A label as JSON, so that the integer 8 and the text "8" differ."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Label | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        return None if value is None else label_text(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> Label | None:  # noqa: ARG002
        return None if value is None else text_label(str(value))
