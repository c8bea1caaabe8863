"""The examples of the documentation, run as a reader would run them.

The first word of a fence says what it holds:

- ``console``: commands after ``$ ``, each followed by what it prints, errors included;
- ``sh``: a script that must succeed;
- ``python``: a program that must succeed;
- ``text`` directly after a script or program: what it prints to stdout.

``sh norun`` marks a script that cannot run on any machine that runs the tests. In any other script,
``make serve`` starts the page's own server, and ``make test`` is left out, since it runs this.
"""

import re
from typing import NamedTuple

_FENCE = re.compile(r"^```([^\n]*)\n(.*?)^```$\n?", re.MULTILINE | re.DOTALL)
_COMMAND = re.compile(r"^\$ ((?:.*\\\n)*.*)\n((?:(?!\$ ).*\n)*)", re.MULTILINE)

# What differs between two runs, or two machines.
VARYING = {
    # The server writes its counts every four seconds, so a quick reader sees fewer requests.
    r"(?m)^([a-z]+) +\d+(?= +\d+ +\d+ +\d+ +\d+ +\d+ k?B)": r"\1 <requests>",
    r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d)?(\.\d+)?Z?": "<time>",
    r"\b\d\.\d+e-\d\d": "<difference>",
    r"\b0\.\d{3,}": "<fraction>",
    r"\d+(\.\d+)? ?%": "<percentage>",
    r"(\b\d+(\.\d+)?(, | and | ))+times\b": "<speed> times",
    r"\b\d+(\.\d+)? [kKM]i?B\b": "<size>",
    r"\b[0-9a-f]{12}\b": "<digest>",
}


class Fence(NamedTuple):
    """A block of code: ``start`` and ``end`` are those of its text within the page's."""

    info: str
    text: str
    start: int
    end: int
    next: int


class Example(NamedTuple):
    """Something to run. ``shown`` is the output on the page, from ``start`` to ``end`` there."""

    language: str
    source: str
    shown: str | None = None
    start: int = 0
    end: int = 0


class Result(NamedTuple):
    """What became of an example; ``printed`` is as a reader would see it."""

    example: Example
    printed: str
    status: int

    @property
    def as_shown(self) -> bool:
        if self.example.language != "console" and self.status != 0:
            return False
        shown = self.example.shown
        return shown is None or comparable(shown) == comparable(self.printed)


def comparable(text: str) -> str:
    """Without what differs from run to run, and without the layout that follows from it."""
    for pattern, name in VARYING.items():
        text = re.sub(pattern, name, text)
    return " ".join(re.sub(r"[━─-]{2,}", "--", text).split())


def fences(text: str) -> list[Fence]:
    return [
        Fence(found[1].strip(), found[2], found.start(2), found.end(2), found.end())
        for found in _FENCE.finditer(text)
    ]


def examples(text: str) -> list[Example]:
    """What is to be run of a page, in order."""
    found: list[Example] = []
    before: Fence | None = None
    for fence in fences(text):
        if fence.info == "console":
            for command in _COMMAND.finditer(fence.text):
                start, end = (fence.start + offset for offset in command.span(2))
                found.append(Example("console", command[1], command[2], start, end))
        elif fence.info in {"sh", "python"}:
            found.append(Example(fence.info, fence.text))
        elif fence.info == "text" and found and before is not None:
            follows = not text[before.next : fence.start].partition("```")[0].strip()
            if follows and before.info in {"sh", "python"}:
                found[-1] = found[-1]._replace(shown=fence.text, start=fence.start, end=fence.end)
        before = fence
    return found


def rewritten(text: str, results: list[Result]) -> str:
    """The page with what was printed in place of what it shows, where the two differ."""
    for result in reversed(results):
        shown, start, end = result.example[2:]
        if shown is not None and comparable(shown) != comparable(result.printed):
            lines = [line.rstrip() for line in result.printed.strip("\n").splitlines()]
            text = text[:start] + "".join(f"{line}\n" for line in lines) + text[end:]
    return text
