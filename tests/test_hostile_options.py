"""Every option and argument of every command, with values that nobody should send.

The commands are found by walking click's, so a new option is tried as soon as there is one. Each
value is given in turn, beside others that are harmless; the command may take it or not, but it ends
with one of its exit codes, says why in one sentence, and never by an exception of Python's.
"""

import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from records.database import Database
from settings import settings

MODULES = ("keys", "models", "monitor", "pipeline", "records", "rollout", "score", "train")
CODES = {0, 1, 2, 3}
# They go on until they are interrupted, or wait for somebody to type.
ENDLESS = {"monitor watch", "pipeline watch"}

LONG = "9" * 5000
TEXTS = ("", "-1", LONG, "a\0b", "../../etc/passwd", ":", "\udcff%s{}[red]")
NUMBERS = ("", "-1", "0", "nan", "1e999", LONG)


def leaves(command: click.Command, path: str) -> Iterator[tuple[str, click.Command]]:
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            yield from leaves(inner, f"{path} {name}")
    else:
        yield path, command


COMMANDS = {
    path: command
    for module in MODULES
    for path, command in leaves(importlib.import_module(f"{module}.__main__").main, module)
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """With a store without versions, and a database without records."""
    found = tmp_path_factory.mktemp("hostile")
    (found / "empty").mkdir()
    (found / "text").write_text("no image, no key, no backup")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PUPILA_HOME", str(found / "home"))
        patch.setenv("BENTOML_HOME", str(found / "bentoml"))
        patch.delenv("PUPILA_DATABASE_URL", raising=False)
        patch.chdir(found / "empty")
        settings.cache_clear()
        with Database.of(settings(), create=True) as database:
            database.prepare()
        yield found
    settings.cache_clear()


def hostile(parameter: click.Parameter, folder: Path) -> tuple[str, ...]:
    kind = parameter.type
    if isinstance(kind, click.Path):
        places = ("empty", "text", "text/inside", "missing/inside", "x" * 300)
        return (
            *(str(folder / place) for place in places),
            *("", "\0", "/proc/nowhere", "\udcff"),
        )
    if isinstance(kind, click.IntRange | click.FloatRange) or kind in (click.INT, click.FLOAT):
        return NUMBERS
    return TEXTS


def harmless(parameter: click.Parameter, folder: Path) -> list[str]:
    """What the command needs beside the value that is tried."""
    kind = parameter.type
    if isinstance(kind, click.Path):
        value = str(folder / ("text" if kind.exists and kind.file_okay else "empty"))
    elif isinstance(kind, click.Choice):
        value = str(next(iter(kind.choices)))
    elif isinstance(kind, click.IntRange | click.FloatRange):
        value = "1"
    else:
        value = "clf:none" if parameter.name == "tag" else "clf"
    return [value] if isinstance(parameter, click.Argument) else [parameter.opts[-1], value]


def cases(path: str, command: click.Command, folder: Path) -> Iterator[list[str]]:
    # Nothing is trained for want of images.
    always = ["--data", str(folder / "empty")] if path == "train" else []
    for tried in command.params:
        if isinstance(tried, click.Option) and (tried.is_flag or tried.count):
            continue
        beside = [
            part
            for other in command.params
            if other is not tried and (other.required or other.name == "yes")
            for part in (["--yes"] if other.name == "yes" else harmless(other, folder))
        ]
        for value in hostile(tried, folder):
            given = [value] if isinstance(tried, click.Argument) else [f"{tried.opts[-1]}={value}"]
            options = [one for one in beside if one.startswith("--")]
            yield [*always, *beside, *given] if not options else [*always, *given, *beside]


def fault(result: Result) -> str:
    """What is wrong with how it ended; empty if nothing is."""
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        return f"raised {result.exception!r}"
    if result.exit_code not in CODES:
        return f"ended with {result.exit_code}"
    if "Traceback" in result.output:
        return "printed a traceback"
    said = [line for line in result.stderr.splitlines() if line.startswith("Error: ")]
    # The loop reports what each of its parts does.
    reported = re.search(r" failed: \S", result.stdout)
    if result.exit_code in (1, 2) and len(said) != 1 and not reported:
        return f"said {result.stderr!r}"
    return ""


@pytest.mark.parametrize("path", sorted(COMMANDS.keys() - ENDLESS))
def test_a_hostile_value_is_one_sentence(path: str, folder: Path) -> None:
    command, runner = COMMANDS[path], CliRunner()
    faults = []
    for arguments in cases(path, command, folder):
        result = runner.invoke(command, arguments, input="", prog_name=path)
        if why := fault(result):
            shown = [one if len(one) < 80 else f"{one[:40]}…" for one in arguments]
            faults.append(f"{path} {shown!r}: {why[:400]}")
    assert faults == []
