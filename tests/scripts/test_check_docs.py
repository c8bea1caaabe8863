"""Each fault is put into a small copy of the project, and must be found there."""

from pathlib import Path

import click
import pytest
from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from scripts import check_docs, generated


class Example(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="PUPILA_")

    port: int = Field(default=8000, validation_alias="PORT", description="where to listen")
    home: Path = Field(default=Path.home() / ".pupila", description="where things are kept")
    key: str | None = Field(default=None, description="who may ask")


@click.group()
def main() -> None:
    """Things that were made."""


@main.command()
@click.option("--all", is_flag=True, help="Hidden ones too.")
def show() -> None:
    """Show them."""


COMMANDS: dict[str, click.Command] = {"python -m example": main}
SETTINGS, HELP = generated.sections(Example, COMMANDS)
README = """# Example

See [the notes](notes.md#why-it-is-so) and [below](#settings), run `make serve`.

## Settings

`python -m example show --all` lists them.
"""


def page(title: str, section: generated.Section) -> str:
    return f"# {title}\n\n{section.begin}\n{section.text}\n{section.end}\n\nThat is all.\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    files = {
        "README.md": README,
        "notes.md": "# Notes\n\n## Why it *is* `so`\n\n[x](https://example.org/) [up](README.md)\n",
        "docs/settings.md": page("Settings", SETTINGS),
        "docs/commands.md": page("Commands", HELP),
        "CHANGELOG.md": "# Changelog\n\n## Unreleased\n",
        "pyproject.toml": '[project]\nversion = "0.1.0"\n',
        "Makefile": "serve: stamp ## start the server\n\t@true\n",
        "requirements/dev.txt": "six==1.0 \\\n    --hash=sha256:00\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def faults(project: Path) -> list[str]:
    return check_docs.faults(project, Example, COMMANDS)


def change(project: Path, name: str, old: str, new: str) -> None:
    path = project / name
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_finds_nothing_where_all_is_well(project: Path) -> None:
    assert faults(project) == []


@pytest.mark.parametrize(
    ("name", "old", "new", "fault"),
    [
        ("README.md", "(notes.md#", "(gone.md#", "3: link gone.md#why-it-is-so leads nowhere."),
        ("README.md", "#why-it-is-so", "#why", "3: link notes.md#why names a heading"),
        ("README.md", "(#settings)", "(#set)", "3: link #set names a heading"),
        ("README.md", "(notes.md#why-it-is-so)", "(../x.md)", "3: link ../x.md leads out"),
        ("README.md", "(#settings)", "[nowhere]", "3: link [below][nowhere] leads nowhere."),
        ("notes.md", "[up](README.md)", '<img src="a.png">', "5: link a.png leads nowhere."),
        ("docs/settings.md", "`8000`", "`9000`", "3: the settings differ from settings.py"),
        ("docs/settings.md", "| `PUPILA_KEY`", "| `PUPILA_KEYS`", " PUPILA_KEYS is not a setting."),
        ("docs/settings.md", SETTINGS.begin, "", " has no settings between"),
        ("docs/commands.md", "Show them.", "Show all.", "3: the commands differ from --help"),
        ("docs/commands.md", HELP.end, "", " has no commands between"),
        ("README.md", "make serve", "make tea", "3: make tea does not exist."),
        ("README.md", "example", "examples", "7: python -m examples does not exist."),
        ("README.md", "example show", "example list", "7: python -m example list does not exist."),
        ("README.md", "--all", "--most", "7: python -m example show has no option --most."),
        ("README.md", "show --all", "--all", "7: python -m example has no option --all."),
        (
            "README.md",
            "show",
            "show \\\n --new=1",
            "7: python -m example show has no option --new.",
        ),
        ("notes.md", "[up](README.md)", "PUPILA_HOUSE", " PUPILA_HOUSE is not a setting."),
        ("Makefile", " ## start the server", "", " make help does not say what serve does."),
        ("CHANGELOG.md", "Unreleased", "0.0.9", " has neither"),
        ("requirements/dev.txt", "six", "--index-url https://pypi.org\nsix", "1: a lock names"),
        ("requirements/dev.txt", "six==1.0", "six @ file:///six.whl", "1: a lock names"),
        ("requirements/dev.txt", "six", "-f wheels\nsix", "1: a lock names"),
    ],
)
def test_finds_each_fault(project: Path, name: str, old: str, new: str, fault: str) -> None:
    change(project, name, old, new)
    found = faults(project)
    assert any(text.startswith(f"{name}:{fault}") for text in found), found


def test_finds_a_setting_without_description(project: Path) -> None:
    class Bare(Example):
        bare: int = 1

    found = check_docs.faults(project, Bare, COMMANDS)
    assert "settings.py: PUPILA_BARE has no description." in found


def test_a_missing_page_is_a_fault_and_no_traceback(project: Path) -> None:
    (project / "docs" / "settings.md").unlink()
    (project / "CHANGELOG.md").unlink()
    found = faults(project)
    assert any(fault.startswith("docs/settings.md: has no settings") for fault in found)
    assert any(fault.startswith("CHANGELOG.md: has neither") for fault in found)


def test_links_in_code_are_not_followed(project: Path) -> None:
    change(project, "notes.md", "[up](README.md)", "`[up](gone.md)`\n\n```\n[up](gone.md)\n```")
    assert faults(project) == []


def test_make_after_another_word_is_no_command(project: Path) -> None:
    change(project, "notes.md", "[up](README.md)", "`apt install make curl`")
    assert faults(project) == []


def test_repeated_headings_have_numbered_anchors(project: Path) -> None:
    change(project, "notes.md", "[up](README.md)", "[last](#twice-1)\n\n## Twice\n\n## Twice")
    assert faults(project) == []


def test_pages_in_hidden_and_built_folders_are_left_alone(project: Path) -> None:
    for folder in (".venv", "build"):
        (project / folder).mkdir()
        (project / folder / "other.md").write_text("[x](gone.md)", encoding="utf-8")
    assert faults(project) == []


def test_table_gives_names_defaults_and_meanings() -> None:
    assert generated.settings_table(Example).splitlines()[2:] == [
        "| `PORT` | `8000` | where to listen |",
        "| `PUPILA_HOME` | `~/.pupila` | where things are kept |",
        "| `PUPILA_KEY` | none | who may ask |",
    ]


def test_the_reference_has_every_command_and_option() -> None:
    text = generated.command_reference(COMMANDS)
    assert [line for line in text.splitlines() if line.startswith("#")] == [
        "## python -m example",
        "### python -m example show",
    ]
    assert "--all   Hidden ones too." in text


@pytest.mark.parametrize("section", [SETTINGS, HELP], ids=lambda section: section.name)
def test_write_mends_the_section_and_nothing_else(
    project: Path, section: generated.Section
) -> None:
    right = (project / section.page).read_text(encoding="utf-8")
    change(project, section.page, section.text, "Something else.")
    generated.write_section(project, section)
    assert (project / section.page).read_text(encoding="utf-8") == right


def test_commands_of_other_programs_are_left_alone(project: Path) -> None:
    change(project, "notes.md", "[up](README.md)", "`python -m pip install six --quiet`")
    assert faults(project) == []
