"""Checks the documentation: ``python -m scripts.check_docs``.

``--write`` first updates the parts that are generated from code. No link is followed beyond this
project: the network is not part of a check.
"""

import re
import sys
import tomllib
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import unquote, urlsplit

import click
from pydantic_settings import BaseSettings

from scripts.generated import (
    project_commands,
    section_faults,
    sections,
    variables,
    write_section,
)
from scripts.pages import Page, read_pages
from settings import Settings

ROOT = Path(__file__).resolve().parent.parent

# A command: "make" after the name of something else to install is not one.
_MAKE = re.compile(r"(?:^|\$ |&& |; |\b[A-Z_]+=\S+ )make ([a-z][a-z-]*)", re.MULTILINE)
_PYTHON = re.compile(r"\bpython -m ([\w.]+)([^\n|;&<>#`)]*)")


def dead_links(root: Path, pages: Mapping[Path, Page]) -> Iterator[str]:
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
                yield f"{where}: link {link} names a heading that does not exist."


def setting_faults(
    root: Path, pages: Mapping[Path, Page], settings: type[BaseSettings]
) -> Iterator[str]:
    known = variables(settings)
    for name, field in known.items():
        if not field.description:
            yield f"settings.py: {name} has no description."
    # What is secret may be in a file.
    files = {f"{name}_FILE" for name, field in known.items() if not field.repr}
    for page in pages.values():
        for name in sorted(set(re.findall(r"\bPUPILA_[A-Z0-9_]*[A-Z0-9]\b", page.text))):
            if name not in known.keys() | files:
                yield f"{page.path.relative_to(root)}: {name} is not a setting."


def make_faults(root: Path, pages: Mapping[Path, Page]) -> Iterator[str]:
    makefile = (root / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([A-Za-z][\w.-]*)\s*:(?!=)", makefile, re.MULTILINE))
    helped = set(re.findall(r"^([a-z-]+):.*## \S", makefile, re.MULTILINE))
    for target in sorted(targets - helped):
        yield f"Makefile: make help does not say what {target} does."
    for page in pages.values():
        for line, code in page.code:
            for target in _MAKE.findall(code):
                if target not in targets:
                    where = f"{page.path.relative_to(root)}:{line}"
                    yield f"{where}: make {target} does not exist."


def command_faults(
    root: Path, pages: Mapping[Path, Page], commands: Mapping[str, click.Command]
) -> Iterator[str]:
    """Each ``python -m`` whose module, subcommand or option does not exist."""
    for page in pages.values():
        for line, code in page.code:
            for module, rest in _PYTHON.findall(code.replace("\\\n", "")):
                where = f"{page.path.relative_to(root)}:{line}"
                name = f"python -m {module}"
                if name in commands:
                    arguments = re.sub(r"['\"\\]", " ", rest).split()
                    yield from (
                        f"{where}: {fault}" for fault in _unknown(commands[name], name, arguments)
                    )
                elif not _is_module(root, module) and find_spec(module.partition(".")[0]) is None:
                    yield f"{where}: {name} does not exist."


def _unknown(command: click.Command, name: str, arguments: list[str]) -> Iterator[str]:
    first = arguments[0] if arguments else ""
    if isinstance(command, click.Group) and re.fullmatch(r"[a-z][a-z-]*", first):
        subcommand = command.commands.get(first)
        if subcommand is None:
            yield f"{name} {first} does not exist."
        else:
            yield from _unknown(subcommand, f"{name} {first}", arguments[1:])
        return
    known = {"--help"}.union(*(parameter.opts for parameter in command.params))
    for argument in arguments:
        option = argument.partition("=")[0]
        if option.startswith("--") and option not in known:
            yield f"{name} has no option {option}."


def _is_module(root: Path, name: str) -> bool:
    path = root.joinpath(*name.split("."))
    return path.with_suffix(".py").exists() or (path / "__main__.py").exists()


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


def faults(
    root: Path, settings: type[BaseSettings], commands: Mapping[str, click.Command]
) -> list[str]:
    """One sentence for each fault, with its location."""
    root = root.resolve()
    pages = read_pages(root)
    found = [
        *dead_links(root, pages),
        *setting_faults(root, pages, settings),
        *make_faults(root, pages),
        *command_faults(root, pages, commands),
        *lock_faults(root),
        *changelog_faults(root),
    ]
    for section in sections(settings, commands):
        found += section_faults(root, section)
    return found


def main() -> int:
    commands = project_commands()
    if "--write" in sys.argv[1:]:
        for section in sections(Settings, commands):
            write_section(ROOT, section)
    found = faults(ROOT, Settings, commands)
    for fault in found:
        print(fault, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
