"""What the server's own answers say, in the visitor's language.

Answers are in English, as any client gets them. ``console/spanish_sentences.toml`` has a pattern
for each that a page may show; what has none stays English, and the page says that it is.
"""

import re
import string
import tomllib
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

from console.language import Language, Words, catalogue

_FILES: Final = {"es": "spanish_sentences.toml"}
# Longer ones are no sentences of ours, and each takes a while to be compared with all patterns.
_LONGEST: Final = 1000
# What a sentence quotes may be a sentence itself.
_QUOTED: Final = "reason"


class Sentence(NamedTuple):
    text: str
    language: Language


class _Pattern(NamedTuple):
    """``found``: matches the English; ``text``: the translation, with ``{names}``."""

    found: re.Pattern[str]
    text: str


def said(words: Words, text: str) -> Sentence:
    """A sentence of the server in the language of the ``words``, or in English."""
    if words.language == "en" or not text.strip():
        return Sentence(text, words.language)
    found = catalogue(words.language).get(text) or _translated(text, words.language)
    return Sentence(text, "en") if found is None else Sentence(found, words.language)


def _translated(text: str, language: Language) -> str | None:
    exact, patterns = _table(language)
    if text in exact:
        return exact[text]
    if len(text) > _LONGEST:
        return None
    for pattern in patterns:
        match = pattern.found.fullmatch(text)
        if match is None:
            continue
        values = match.groupdict()
        if _QUOTED in values:
            quoted = _translated(values[_QUOTED], language)
            if quoted is None:
                return None
            values[_QUOTED] = quoted
        return pattern.text.format(**{name: exact.get(one, one) for name, one in values.items()})
    return None


@cache
def _table(language: Language) -> tuple[dict[str, str], list[_Pattern]]:
    """Those without names, and those with names: the ones that say most first."""
    content = (Path(__file__).parent / _FILES[language]).read_text(encoding="utf-8")
    exact: dict[str, str] = {}
    patterns: list[tuple[int, _Pattern]] = []
    for english, text in tomllib.loads(content).items():
        parts = list(string.Formatter().parse(english))
        if all(name is None for _, name, _, _ in parts):
            exact[english] = str(text)
            continue
        expression = "".join(
            re.escape(literal) + (f"(?P<{name}>.+?)" if name else "")
            for literal, name, _, _ in parts
        )
        said_by_us = sum(len(literal) for literal, _, _, _ in parts)
        patterns.append((said_by_us, _Pattern(re.compile(expression, re.DOTALL), str(text))))
    return exact, [pattern for _, pattern in sorted(patterns, key=lambda one: -one[0])]
