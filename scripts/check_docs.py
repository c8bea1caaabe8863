"""Checks what the documentation says: ``python -m scripts.check_docs``.

``--write`` first brings the README's table of settings up to date. No link is followed beyond this
project: the network is not part of a check.
"""

import re
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from markdown_it import MarkdownIt
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from pydantic_settings import BaseSettings

from settings import Settings

ROOT = Path(__file__).resolve().parent.parent
BEGIN = "<!-- settings:begin -->"
END = "<!-- settings:end -->"

# A command: "make" after the name of something else to install is not one.
_MAKE = re.compile(r"(?:^|\$ |&& |; |\b[A-Z_]+=\S+ )make ([a-z][a-z-]*)", re.MULTILINE)


@dataclass(frozen=True)
class Page:
    """One Markdown file, read once: its ``links`` and ``code`` with the lines they stand in."""

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
            words = [part for part in token.children or [] if part.type in {"text", "code_inline"}]
            slug = _slug("".join(part.content for part in words))
            anchors.add(f"{slug}-{seen[slug]}" if seen[slug] else slug)
            seen[slug] += 1
    return Page(path, text, frozenset(anchors), tuple(links), tuple(code))


def _slug(heading: str) -> str:
    """The anchor that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def read_pages(root: Path) -> dict[Path, Page]:
    """Every Markdown file of the project; hidden and built folders are others' business."""
    return {
        path: read_page(path)
        for path in sorted(root.rglob("*.md"))
        if not any(part.startswith(".") or part == "build" for part in path.relative_to(root).parts)
    }


def dead_links(root: Path) -> Iterator[str]:
    root = root.resolve()
    pages = read_pages(root)
    for page in pages.values():
        for line, link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            where = f"{page.path.relative_to(root)}:{line}"
            target = (page.path.parent / unquote(parts.path)).resolve() if parts.path else page.path
            if not target.is_relative_to(root):
                yield f"{where}: link {link} leads out of the project."
            elif not target.exists():
                yield f"{where}: link {link} leads nowhere."
            elif (
                parts.fragment
                and target in pages
                and unquote(parts.fragment) not in pages[target].anchors
            ):
                yield f"{where}: link {link} names a heading that is not there."


def variables(settings: type[BaseSettings]) -> dict[str, FieldInfo]:
    """The settings by the name of their environment variable."""
    prefix = settings.model_config["env_prefix"]
    return {
        field.validation_alias
        if isinstance(field.validation_alias, str)
        else f"{prefix}{name}".upper(): field
        for name, field in settings.model_fields.items()
    }


def settings_table(settings: type[BaseSettings]) -> str:
    rows = [
        f"| `{name}` | {_default(field)} | {field.description} |"
        for name, field in variables(settings).items()
    ]
    return "\n".join(["| setting | default | meaning |", "|---|---|---|", *rows])


def _default(field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=True, validated_data={})
    if value is PydanticUndefined:
        return "required"
    if value is None or value in ("", ()):
        return "none"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value}`".replace(str(Path.home()), "~")


def setting_faults(root: Path, settings: type[BaseSettings]) -> Iterator[str]:
    readme = root / "README.md"
    text = readme.read_text(encoding="utf-8") if readme.exists() else ""
    before, begin, rest = text.partition(BEGIN)
    table, end, _ = rest.partition(END)
    if not begin or not end:
        yield f"README.md: has no table of settings between {BEGIN} and {END}."
    elif table.strip() != settings_table(settings):
        line = before.count("\n") + 1
        yield f"README.md:{line}: the table of settings is not what settings.py says: run make fix."
    for name, field in variables(settings).items():
        if not field.description:
            yield f"settings.py: {name} has no description."
    known = variables(settings)
    for page in read_pages(root).values():
        for name in sorted(set(re.findall(r"\bPUPILA_[A-Z0-9_]*[A-Z0-9]\b", page.text))):
            if name not in known:
                yield f"{page.path.relative_to(root)}: {name} is no setting."


def write_settings(root: Path, settings: type[BaseSettings]) -> None:
    """Put the table between the markers of README.md; without them, leave it alone."""
    readme = root / "README.md"
    text = readme.read_text(encoding="utf-8") if readme.exists() else ""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if begin and end:
        new = f"{before}{BEGIN}\n{settings_table(settings)}\n{END}{after}"
        readme.write_text(new, encoding="utf-8")


def make_faults(root: Path) -> Iterator[str]:
    makefile = (root / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([A-Za-z][\w.-]*)\s*:(?!=)", makefile, re.MULTILINE))
    helped = set(re.findall(r"^([a-z-]+):.*## \S", makefile, re.MULTILINE))
    for target in sorted(targets - helped):
        yield f"Makefile: make help does not say what {target} does."
    for page in read_pages(root).values():
        for line, code in page.code:
            for target in _MAKE.findall(code):
                if target not in targets:
                    where = f"{page.path.relative_to(root)}:{line}"
                    yield f"{where}: there is no make {target}."


def lock_faults(root: Path) -> Iterator[str]:
    """A lock that names where to load from would bind everybody to its author's machine."""
    for lock in sorted((root / "requirements").glob("*.txt")):
        for number, line in enumerate(lock.read_text(encoding="utf-8").splitlines(), start=1):
            option = line.startswith("-")
            if option or re.search(r"://|\bfile:|\s@\s|--(?!hash=sha256:)\w", line):
                yield f"requirements/{lock.name}:{number}: a lock names packages and hashes alone."


def changelog_faults(root: Path) -> Iterator[str]:
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    version = re.escape(project["version"])
    changelog = root / "CHANGELOG.md"
    text = changelog.read_text(encoding="utf-8") if changelog.exists() else ""
    if not re.search(rf"^## \[?(Unreleased|{version})\b", text, re.MULTILINE):
        yield f"CHANGELOG.md: has neither a section Unreleased nor one for {project['version']}."


def faults(root: Path, settings: type[BaseSettings]) -> list[str]:
    """One sentence for each fault, with where it is."""
    return [
        *dead_links(root),
        *setting_faults(root, settings),
        *make_faults(root),
        *lock_faults(root),
        *changelog_faults(root),
    ]


def main() -> int:
    if "--write" in sys.argv[1:]:
        write_settings(ROOT, Settings)
    found = faults(ROOT, Settings)
    for fault in found:
        print(fault, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
