import errno
import json
import logging
import shutil
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import cli
import settings
from errors import PupilaError


@pytest.fixture(autouse=True)
def fresh_settings() -> Iterator[None]:
    settings.settings.cache_clear()
    yield
    settings.settings.cache_clear()


def said(error: BaseException) -> tuple[int, str]:
    """What a command prints that ends by this error, and its exit code."""

    @click.command(cls=cli.Command)
    def failing() -> None:
        raise error

    result = CliRunner().invoke(failing)
    return result.exit_code, result.stderr


@pytest.mark.parametrize(
    ("number", "sentence"),
    [
        (errno.ENOSPC, "Error: /x cannot be used: the disk is full.\n"),
        (errno.EROFS, "Error: /x cannot be used: it is on a disk that is read-only.\n"),
        (errno.EACCES, "Error: /x cannot be used: this user may not read or write it.\n"),
        (errno.ENOTDIR, "Error: /x cannot be used: a part of its path is a file and no folder.\n"),
    ],
)
def test_a_file_that_cannot_be_used_is_one_sentence(number: int, sentence: str) -> None:
    assert said(OSError(number, "odd", "/x")) == (1, sentence)


def test_of_a_copy_what_could_not_be_written_is_named() -> None:
    assert "/to cannot" in said(OSError(errno.ENOSPC, "odd", "/from", None, "/to"))[1]


def test_a_folder_that_could_not_be_copied_is_one_too(tmp_path: Path) -> None:
    (tmp_path / "from").mkdir()
    (tmp_path / "from" / "file").symlink_to("/nowhere")
    with pytest.raises(shutil.Error) as failed:
        shutil.copytree(tmp_path / "from", tmp_path / "to")
    code, text = said(failed.value)
    assert code == 1
    assert text == f"Error: {tmp_path / 'to' / 'file'} cannot be used: it does not exist.\n"


def test_a_mistake_of_ours_stays_one() -> None:
    @click.command(cls=cli.Command)
    def failing() -> None:
        raise TimeoutError

    assert isinstance(CliRunner().invoke(failing).exception, TimeoutError)


def test_an_error_is_json_where_that_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUPILA_LOG_FORMAT", "json")
    code, text = said(PupilaError("It is not so."))
    line = json.loads(text)
    assert (code, line["level"], line["event"]) == (1, "error", "It is not so.")


@pytest.mark.parametrize(
    ("level", "events"),
    [("", ["odd"]), ("info", ["told", "odd"]), ("ERROR", [])],
)
def test_a_command_logs_warnings_unless_told_otherwise(
    level: str, events: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PUPILA_LOG_LEVEL", level)

    @click.command(cls=cli.Command)
    def telling() -> None:
        logging.getLogger("pupila.x").info("told")
        logging.getLogger("pupila.x").warning("odd")

    result = CliRunner().invoke(telling)
    assert [json.loads(line)["event"] for line in result.stderr.splitlines()] == events


def test_an_argument_with_a_nul_is_one_sentence() -> None:
    @click.command(cls=cli.Command)
    @click.argument("path")
    def taking(path: str) -> None:
        raise AssertionError(path)

    result = CliRunner().invoke(taking, ["a\0b"])
    assert result.exit_code == 2
    assert result.stderr.endswith("Error: An argument has a NUL character: leave it out.\n")


def test_a_name_that_is_no_text_is_printed() -> None:
    @click.command(cls=cli.Command)
    def printing() -> None:
        click.echo("to \udcff")

    result = CliRunner().invoke(printing)
    assert (result.exit_code, result.stdout) == (0, "to \\udcff\n")


def test_a_wrong_setting_is_said_by_a_command_that_reads_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PUPILA_PROVIDERS", ",")
    ran = []

    @click.command(cls=cli.Command)
    def plain() -> None:
        ran.append(True)

    result = CliRunner().invoke(plain)
    assert (result.exit_code, ran) == (1, [])
    assert result.stderr.startswith("Error: PUPILA_PROVIDERS is ',', but should be a list of")
