"""The languages of the pages: English as it stands in templates and code, and its translations.

``console/spanish.toml`` has a line for each text; a test finds those that are missing or left over.
"""

import tomllib
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Final, Literal

Language = Literal["en", "es"]
_FILES: Final[Mapping[Language, str]] = {"es": "spanish.toml"}
_MOST: Final = 20


class Words:
    """Texts and numbers in one language; called with the English text."""

    def __init__(self, language: Language) -> None:
        self.language: Language = language
        self._texts = catalogue(language)

    def __call__(self, text: str, /, **values: object) -> str:
        """The text in this language, with its ``{names}`` filled in."""
        found = self._texts.get(text, text)
        return found.format(**values) if values else found

    def count(self, number: int, one: str, many: str) -> str:
        """``one`` or ``many``, whose ``{n}`` is the number."""
        return self(one if number == 1 else many, n=self.number(number))

    def number(self, value: float, digits: int = 0) -> str:
        """With the separators of the language: 1,234.5 or 1.234,5."""
        text = f"{value:,.{digits}f}"
        return text if self.language == "en" else text.translate(_SWAPPED)

    def percent(self, value: float | None, digits: int = 1) -> str:
        if value is None:
            return "–"
        text = self.number(100 * value, digits)
        return f"{text}%" if self.language == "en" else f"{text}\N{NO-BREAK SPACE}%"

    def below_all(self, value: float) -> str:
        """A percentage that says 100% of nothing that is less."""
        return self.percent(value, 0) if value < 0.99 else self.percent(min(value, 0.999))

    def time(self, moment: datetime) -> str:
        return f"{moment:%Y-%m-%d %H:%M}\N{NO-BREAK SPACE}UTC"


_SWAPPED: Final = str.maketrans(",.", ".,")


@cache
def catalogue(language: Language) -> Mapping[str, str]:
    """The translations by the English text; none for English."""
    name = _FILES.get(language)
    if name is None:
        return {}
    content = (Path(__file__).parent / name).read_text(encoding="utf-8")
    return {text: str(found) for text, found in tomllib.loads(content).items()}


@cache
def words(language: Language) -> Words:
    return Words(language)


def preferred(accepted: str) -> Language:
    """That of an ``Accept-Language`` which we have and its reader likes best; else English."""
    best: tuple[float, Language] = (0.0, "en")
    for part in accepted.split(",")[:_MOST]:
        tag, _, parameter = part.strip().partition(";")
        quality = _quality(parameter)
        language = tag.strip().lower().partition("-")[0]
        for known in ("en", "es"):
            if language == known and quality > best[0]:
                best = quality, "es" if known == "es" else "en"
    return best[1]


def _quality(parameter: str) -> float:
    name, _, value = parameter.strip().partition("=")
    if name.strip() != "q":
        return 1.0
    try:
        found = float(value)
    except ValueError:
        return 0.0
    return found if 0 <= found <= 1 else 0.0
