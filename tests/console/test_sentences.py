"""What the server answers is said in Spanish too, or shown as the English that it is."""

import ast
import string
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from console.language import words
from console.sentences import Sentence, said
from images import formats
from tests.servers import ROOT

ES = words("es")
CATALOGUE = ROOT / "console" / "spanish_sentences.toml"

# Where an answer that a page shows is worded: predictions, labels, rollouts, keys.
SOURCES = (
    "images/decoding.py",
    "images/formats.py",
    "images/header.py",
    "images/jpeg.py",
    "records/champions.py",
    "records/rollouts.py",
    "serving/classifying.py",
    "serving/feedback.py",
    "serving/http/body.py",
    "serving/http/multipart.py",
    "serving/inference/*.py",
    "serving/keys/caller.py",
    "serving/keys/gate.py",
    "serving/keys/keyring.py",
    "serving/recording/labels.py",
    "serving/recording/recorder.py",
    "serving/rollouts.py",
    "serving/within.py",
)
# What no page can bring about, or only a server that is broken: it stays English.
STAYS = (
    "the store has not answered within {}",
    "{} has no feature extractor, so it gives no embedding; leave it out, or ask another version.",
    "{} is no route.",
    "{} {}",
    "{}: {}{}.",
)
ERRORS = ("SettingsError", "ValueError", "TypeError", "RuntimeError", "SpecError", "TimeoutError")


def constants(paths: list[Path]) -> dict[str, str]:
    found = {}
    for path in paths:
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                text = worded(node.value, {})
                if text is not None:
                    found[node.target.id] = text
    return found


def worded(node: ast.expr | None, known: dict[str, str]) -> str | None:
    """The text of an expression, with braces for what is filled in."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.Name):
        return known.get(node.id)
    if isinstance(node, ast.JoinedStr):
        parts = []
        for part in node.values:
            inside = part.value if isinstance(part, ast.FormattedValue) else part
            parts.append(worded(inside, known) or "{}")
        return "".join(parts)
    return None


def raised() -> Iterator[str]:
    paths = [path for source in SOURCES for path in sorted(ROOT.glob(source))]
    known = constants(paths)
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.Call) and node.args):
                continue
            name = ast.unparse(node.func)
            if name.endswith("Error") and name not in ERRORS:
                text = worded(node.args[0], known)
                if text is not None:
                    yield text


def as_sent(text: str) -> str:
    """With something filled in; a reason is one of ours."""
    text = text.replace("rolled back: {}", "rolled back: it has no alias yet")
    return text.replace("second{}.", "seconds.").replace("{}", "x9")


def test_every_answer_that_a_page_may_show_is_translated_or_known_to_stay() -> None:
    missing = {
        text for text in raised() if text not in STAYS and said(ES, as_sent(text)).language == "en"
    }
    assert sorted(missing) == []


def test_the_search_for_answers_finds_them() -> None:
    found = set(raised())
    assert {"Invalid model name", "it is empty", "The key {} lacks the scope {}."} <= found
    assert len(found) > 60


def test_translations_fill_in_what_the_english_says() -> None:
    def names(text: str) -> set[str]:
        return {name for _, name, _, _ in string.Formatter().parse(text) if name}

    content = tomllib.loads(CATALOGUE.read_text(encoding="utf-8"))
    assert [text for text, found in content.items() if not names(found) <= names(text)] == []


@pytest.mark.parametrize(
    ("english", "spanish"),
    [
        (
            f"Invalid image data: it is a HEIC, not {formats.ANY_FORMAT}",
            "La imagen no es válida: es un HEIC, no un JPEG, PNG, WebP, BMP o GIF",
        ),
        (
            "Invalid image data: the image is truncated",
            "La imagen no es válida: la imagen está cortada",
        ),
        (
            "Model 'clf' cannot be rolled back: clf:abc has no predecessor.",
            "El modelo 'clf' no puede volver atrás: clf:abc no tiene predecesora.",
        ),
        ("Your key lacks the scope {scope}.", "A su clave le falta el permiso {scope}."),
        (
            "The key ann is limited to 5 a minute; try again in 12 seconds.",
            "La clave ann está limitada (5 a minute); inténtelo de nuevo en 12 segundos.",
        ),
    ],
)
def test_an_answer_in_spanish(english: str, spanish: str) -> None:
    assert said(ES, english) == Sentence(spanish, "es")


def test_what_has_no_translation_says_that_it_is_english() -> None:
    for text in (
        "Something new.",
        "Invalid image data: something new",
        "x" * 5000,
        "{0.__class__}",
    ):
        assert said(ES, text) == Sentence(text, "en")


def test_what_is_quoted_is_put_in_and_not_read() -> None:
    found = said(ES, "The key {token} lacks the scope {0.__class__}.")
    assert found.text == "A la clave {token} le falta el permiso {0.__class__}."


def test_english_stays_as_it_is() -> None:
    assert said(words("en"), "Invalid model name") == Sentence("Invalid model name", "en")
