"""Templates and what all of them may use. Everything that somebody sent is escaped."""

from functools import cache
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from console import assets
from console.naming import named
from console.sentences import said
from console.visit import Page, Visit, link

PAGES: Final = (
    ("try", "Try"),
    ("label", "Label"),
    ("watch", "Watch"),
    ("versions", "Versions"),
    ("data", "Data"),
)
_SHORT: Final = 80
_UNPRINTABLE: Final = "\N{REPLACEMENT CHARACTER}"
_ALLOWED: Final = "\n\N{NO-BREAK SPACE}"


def render(visit: Visit, page: Page) -> str:
    """The page in the visitor's language."""
    listings = visit.listings() if visit.caller is not None or not visit.server.closed else []
    model = visit.model if listings else None
    shown = PAGES if visit.sees_records else PAGES[:1]
    return (
        _environment()
        .get_template(page.template)
        .render(
            {
                "visit": visit,
                "_": visit.words,
                "words": visit.words,
                "pages": [(name, visit.words(title)) for name, title in shown],
                "models": [one.name for one in listings],
                "model": model.name if model else "",
                "chosen": visit.chosen,
                "token": visit.token,
                **page.content,
            }
        )
    )


# Its templates are compiled once.
@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        # Or each use of one would look whether its file has changed.
        auto_reload=False,
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_clean,
    )
    environment.globals.update(link=link, asset=assets.path_of, said=said, named=named)
    environment.filters.update(short=short, exact=escape)
    return environment


def short(value: object, most: int = _SHORT) -> str:
    """A text of any length as one that fits."""
    text = str(value)
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _clean(value: Any) -> Any:
    """Without characters that reverse the direction of writing, or that UTF-8 cannot encode."""
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    return "".join(
        c if c.isprintable() or c in _ALLOWED else "\N{REPLACEMENT CHARACTER}" for c in value
    )
