"""Both languages say everything, and nothing that no page says."""

import ast
import re
import string
from collections.abc import Iterator
from pathlib import Path

import pytest

from console import report
from console.language import Words, catalogue, preferred, words
from console.naming import named
from console.pages import labelling, versions, watching
from console.rendering import PAGES

FOLDER = Path(__file__).parents[2] / "console"
# Texts that are chosen from a table by something that is computed.
TABLES = (
    report.VIEWS,
    report.CHECKS,
    report.STATES,
    versions.ACTIONS,
    {name: text for name, (_, text) in versions.OUTCOMES.items()},
    labelling.WHY,
    {"sure": labelling.SURE},
    watching.SPANS,
    dict(PAGES),
)
TEXT = r'"((?:[^"\\]|\\.)*)"'


def in_templates() -> Iterator[str]:
    for path in sorted((FOLDER / "templates").glob("*.html")):
        content = path.read_text(encoding="utf-8")
        yield from re.findall(rf"\b_\({TEXT}", content)
        for one, many in re.findall(rf"words\.count\([^\"]*{TEXT}, {TEXT}", content):
            yield from (one, many)


def in_code() -> Iterator[str]:
    for path in sorted(FOLDER.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            name = ast.unparse(node.func).rpartition(".")[2]
            if name == "count" and "words" in ast.unparse(node.func):
                yield from literals(node.args[1:])
            elif name in ("words", "NotHereError"):
                yield from literals(node.args)


def literals(nodes: list[ast.expr]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def said() -> set[str]:
    tables = {text for table in TABLES for text in table.values()}
    return {*in_templates(), *in_code(), *tables} - {""}


def fields(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_spanish_says_everything() -> None:
    assert sorted(said() - catalogue("es").keys()) == []


def test_spanish_says_nothing_that_is_not_asked_for() -> None:
    assert sorted(catalogue("es").keys() - said()) == []


def test_translations_have_the_same_values_to_fill_in() -> None:
    wrong = [text for text, found in catalogue("es").items() if fields(text) != fields(found)]
    assert wrong == []


def test_the_search_for_texts_finds_them() -> None:
    assert {"Skip to the content", "There is no such page.", "{n} day ago", "Watch"} <= said()


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("", "en"),
        ("es", "es"),
        ("es-MX,es;q=0.9,en;q=0.8", "es"),
        ("en-US,en;q=0.9,es;q=0.8", "en"),
        ("de,es;q=0.5", "es"),
        ("es;q=0", "en"),
        ("fr", "en"),
        ("es;q=x, en", "en"),
    ],
)
def test_the_language_is_the_browsers(accepted: str, language: str) -> None:
    assert preferred(accepted) == language


def test_numbers_are_written_as_each_language_does() -> None:
    assert [words("en").number(1234.5, 1), words("es").number(1234.5, 1)] == ["1,234.5", "1.234,5"]
    assert words("es").percent(0.5) == "50,0\N{NO-BREAK SPACE}%"


def test_one_is_not_many() -> None:
    english = Words("en")
    assert english.count(1, "{n} image", "{n} images") == "1 image"
    assert english.count(2000, "{n} image", "{n} images") == "2,000 images"


def test_none_of_these_is_said_in_words_unless_it_is_a_class() -> None:
    assert named(words("es"), -1, range(10)) == "Ninguna de estas"
    assert named(words("en"), "none of these", ("cat",)) == "None of these"
    assert named(words("en"), -1, (-1, 1)) == "-1"
    assert named(words("en"), 3, range(10)) == "3"
