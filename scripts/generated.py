"""The parts of the documentation that are written from code: settings and commands."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import click
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from pydantic_settings import BaseSettings

from settings_secrets import variable_of

COMMAND_FOLDERS = (
    "train", "models", "records", "monitor", "pipeline", "score", "keys", "features", "rollout",
    "demo",
)  # fmt: skip

# Characters a line, so that a page does not depend on the terminal it was written in.
_WIDTH = 88


@dataclass(frozen=True)
class Section:
    """The text between two markers of a page, and the code that it comes from."""

    page: str
    name: str
    source: str
    text: str

    @property
    def begin(self) -> str:
        return f"<!-- {self.name}:begin -->"

    @property
    def end(self) -> str:
        return f"<!-- {self.name}:end -->"


def sections(settings: type[BaseSettings], commands: Mapping[str, click.Command]) -> list[Section]:
    return [
        Section("docs/settings.md", "settings", "settings.py", settings_table(settings)),
        Section("docs/commands.md", "commands", "--help", command_reference(commands)),
    ]


def section_faults(root: Path, section: Section) -> Iterator[str]:
    text = _read(root / section.page)
    before, begin, rest = text.partition(section.begin)
    found, end, _ = rest.partition(section.end)
    if not begin or not end:
        yield f"{section.page}: has no {section.name} between {section.begin} and {section.end}."
    elif found.strip() != section.text:
        line = before.count("\n") + 1
        yield (
            f"{section.page}:{line}: the {section.name} differ from {section.source}: run make fix."
        )


def write_section(root: Path, section: Section) -> None:
    """Replace the text between the markers; without them, leave the page alone."""
    path = root / section.page
    before, begin, rest = _read(path).partition(section.begin)
    _, end, after = rest.partition(section.end)
    if begin and end:
        path.write_text(f"{before}{begin}\n{section.text}\n{end}{after}", encoding="utf-8")


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


def variables(settings: type[BaseSettings]) -> dict[str, FieldInfo]:
    """The settings by the name of their environment variable."""
    return {variable_of(field, name): field for name, field in settings.model_fields.items()}


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


def project_commands() -> dict[str, click.Command]:
    """The command lines of the project by their name, such as ``python -m train``."""
    return {
        f"python -m {folder}": import_module(f"{folder}.__main__").main
        for folder in COMMAND_FOLDERS
    }


def command_reference(commands: Mapping[str, click.Command]) -> str:
    """The ``--help`` of every command and subcommand, below a heading of its name."""
    return "\n\n".join(
        f"{'##' if name in commands else '###'} {name}\n\n```text\n{help_}\n```"
        for name, help_ in _helps(commands)
    )


def _helps(commands: Mapping[str, click.Command]) -> Iterator[tuple[str, str]]:
    for name, command in commands.items():
        widths = {"terminal_width": _WIDTH, "max_content_width": _WIDTH}
        context = click.Context(command, info_name=name, **{**command.context_settings, **widths})
        yield name, "\n".join(line.rstrip() for line in command.get_help(context).splitlines())
        if isinstance(command, click.Group):
            yield from _helps({f"{name} {key}": sub for key, sub in command.commands.items()})
