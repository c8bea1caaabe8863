"""``python -m keys``, on the database and on a file."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from keys.__main__ import main
from records.database import Database
from records.key import Key, digest_of
from records.keyfile import read_keys
from records.keys import all_keys
from settings import settings


class Shell:
    """Runs the command; ``kept`` is what a server would read."""

    def __init__(self, folder: Path, *, file: bool) -> None:
        self._file = folder / "keys" if file else None
        self._url = f"sqlite:///{folder}/home/records.db"

    def __call__(self, *arguments: str) -> Result:
        environment = {"PUPILA_DATABASE_URL": self._url}
        if self._file is not None:
            environment["PUPILA_KEYS_FILE"] = str(self._file)
        settings.cache_clear()
        try:
            return CliRunner().invoke(main, list(arguments), env=environment)
        finally:
            settings.cache_clear()

    def kept(self) -> list[Key]:
        if self._file is not None:
            return read_keys(self._file)
        with Database(self._url) as database:
            return all_keys(database)


@pytest.fixture(params=["database", "file"])
def shell(request: pytest.FixtureRequest, tmp_path: Path) -> Shell:
    return Shell(tmp_path, file=request.param == "file")


LINE_3 = (
    "create", "--name", "line-3", "--scope", "predict,label", "--model", "clf", "--rate", "50/s",
    "--daily", "100000", "--expires", "90d",
)  # fmt: skip


def test_a_key_is_shown_once_and_alone_on_stdout(shell: Shell) -> None:
    done = shell(*LINE_3)
    assert done.exit_code == 0, done.output
    secret = done.stdout.strip()
    (key,) = shell.kept()
    assert key.digest == digest_of(secret.encode())
    assert (key.name, key.scopes, key.models) == ("line-3", ("predict", "label"), ("clf",))
    assert (key.rate, key.daily) == (50.0, 100_000)
    assert key.expires_at is not None
    assert key.expires_at - key.created_at == timedelta(days=90)
    assert done.stderr.startswith("line-3: predict, label; only clf; 50/s; 100,000 a day; until 20")
    assert secret not in shell("list").output + shell("list", "--json").output


def test_rotating_and_revoking(shell: Shell) -> None:
    first = shell(*LINE_3).stdout.strip()
    second = shell("rotate", "line-3").stdout.strip()
    (key,) = shell.kept()
    assert first != second
    assert key.digest == digest_of(second.encode())
    assert key.rate == 50.0
    assert shell("revoke", "line-3").output == "Revoked line-3.\n"
    assert shell.kept()[0].revoked_at is not None
    assert f"revoked {datetime.now(UTC):%Y}" in shell("list").output
    again = shell("rotate", "line-3")
    assert again.exit_code == 1
    assert again.stderr == "Error: The key 'line-3' was revoked: create one with another name.\n"


def test_the_list(shell: Shell) -> None:
    shell(*LINE_3)
    shell("create", "--name", "viewer", "--scope", "read", "--rate", "30/m")
    listed = shell("list").output.splitlines()
    assert listed[0].split() == [
        "NAME", "SCOPES", "MODELS", "RATE", "DAILY", "USED", "TODAY", "STATE"
    ]  # fmt: skip
    assert listed[1].split()[:6] == ["line-3", "predict,label", "clf", "50/s", "100,000", "0"]
    assert listed[2].split() == ["viewer", "read", "all", "30/m", "-", "0", "valid"]
    rows = json.loads(shell("list", "--json").output)
    assert [row["name"] for row in rows] == ["line-3", "viewer"]


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        (
            ["--scope", "admin"],
            "'admin' is not a scope: choose from predict, label, read, operate.",
        ),
        (["--scope", "predict,"], "'predict,' is not a list of names: write them as a,b."),
        (["--name", "a b"], "'a b' is not a key's name"),
        (["--rate", "50"], "'50' is not a valid rate: write it as 50/s, 600/m or 1000/h."),
        (["--rate", "0/s"], "'0/s' is not a valid rate"),
        (["--daily", "0"], "0 is not in the range"),
        (["--expires", "soon"], "'soon' is not a duration such as 12h or 30d"),
        (["--expires", "2001-01-31"], "2001-01-31 00:00, UTC, has passed"),
    ],
)
def test_what_is_wrong_is_one_sentence_and_makes_no_key(
    shell: Shell, changes: list[str], why: str
) -> None:
    shell("create", "--name", "first", "--scope", "read")
    done = shell(*LINE_3, *changes)
    assert done.exit_code in (1, 2)
    assert why in done.stderr
    assert "pupila_" not in done.output
    assert [key.name for key in shell.kept()] == ["first"]


def test_the_same_name_twice(shell: Shell) -> None:
    shell(*LINE_3)
    done = shell(*LINE_3)
    assert (done.exit_code, done.stdout) == (1, "")
    assert "There is a key 'line-3' already: choose another name" in done.stderr


def test_a_file_that_is_broken_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_text("no JSON\n")
    done = Shell(tmp_path, file=True)(*LINE_3)
    assert done.exit_code == 1
    assert f"{path}, line 1: it is not JSON." in done.stderr
    assert path.read_text() == "no JSON\n"
