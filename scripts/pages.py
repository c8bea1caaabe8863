"""The project's Markdown pages: their links, anchors and code."""

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt


@dataclass(frozen=True)
class Page:
    """One Markdown file, read once: its ``links`` and ``code`` with their line numbers."""

    path: Path
    text: str
    anchors: frozenset[str]
    links: tuple[tuple[int, str], ...]
    code: tuple[tuple[int, str], ...]


def read_page(path: Path) -> Page:
    text = path.read_text(encoding="utf-8")
    anchors: set[str] = set()
    seen: Counter[str] = Counter()
    links: list[tuple[int, str]] = []
    code: list[tuple[int, str]] = []
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    for before, token in zip([None, *tokens], tokens, strict=False):
        line = token.map[0] + 1 if token.map else 1
        for part in token.children or [token]:
            if part.type in {"html_block", "html_inline"}:
                anchors.update(re.findall(r'\b(?:id|name)="([^"]+)"', part.content))
                targets = re.findall(r'\b(?:href|src)="([^"]+)"', part.content)
                links += [(line, target) for target in targets]
            elif part.type in {"link_open", "image"}:
                links.append((line, str(part.attrs.get("href") or part.attrs.get("src") or "")))
            elif part.type in {"code_inline", "fence", "code_block"}:
                code.append((line, part.content))
            elif part.type == "text":
                # What CommonMark leaves as text is a reference that nothing defines.
                undefined = re.findall(r"\[[^]]+\]\[[^]]*\]", part.content)
                links += [(line, reference) for reference in undefined]
        if before is not None and before.type == "heading_open":
            parts = [part for part in token.children or [] if part.type in {"text", "code_inline"}]
            slug = _slug("".join(part.content for part in parts))
            anchors.add(f"{slug}-{seen[slug]}" if seen[slug] else slug)
            seen[slug] += 1
    return Page(path, text, frozenset(anchors), tuple(links), tuple(code))


def _slug(heading: str) -> str:
    """The anchor that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def read_pages(root: Path) -> dict[Path, Page]:
    """Every Markdown file of the project, except in hidden folders and ``build/``."""
    return {
        path: read_page(path)
        for path in sorted(root.rglob("*.md"))
        if not any(part.startswith(".") or part == "build" for part in path.relative_to(root).parts)
    }
