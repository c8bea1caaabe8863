"""A key as a value, and as a line of a file."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from errors import KeysError
from records.key import (
    SECRET_LENGTH,
    Key,
    checked_name,
    checked_scopes,
    digest_of,
    fields_of,
    key_of,
    new_secret,
    rate_text,
)
from records.keyfile import read_keys, write_keys

NOON = datetime(2030, 1, 31, 12, tzinfo=UTC)
KEY = Key("line-3", b"\x01" * 32, ("predict", "label"), NOON)
FULL = replace(
    KEY, name="full", digest=b"\x02" * 32, models=("clf",), rate=0.5, daily=9,
    expires_at=NOON, revoked_at=NOON,
)  # fmt: skip


def test_a_secret_has_256_random_bits_and_a_name_to_look_for() -> None:
    first, second = new_secret(), new_secret()
    assert first != second
    assert first.startswith("pupila_")
    assert len(first) == SECRET_LENGTH == len("pupila_") + 43
    digest = digest_of(first.encode())
    assert digest is not None
    assert len(digest) == 32


def test_what_can_be_no_secret_is_not_hashed() -> None:
    assert digest_of(b"pupila_short") is None
    assert digest_of(b"x" * 30_000) is None


@pytest.mark.parametrize("key", [KEY, FULL])
def test_a_key_comes_back_from_json(key: Key) -> None:
    assert key_of(json.loads(json.dumps(fields_of(key)))) == key


@pytest.mark.parametrize("name", ["", "a b", "-a", "a" * 65, "é", "a\n", "a/b"])
def test_a_name_that_none_may_have(name: str) -> None:
    with pytest.raises(KeysError, match="is not a key's name: write 1 to 64 letters"):
        checked_name(name)


def test_scopes_are_those_that_there_are() -> None:
    assert checked_scopes(["label", "predict", "label"]) == ("predict", "label")
    with pytest.raises(KeysError, match="'admin' is not a scope: choose from predict, label, read"):
        checked_scopes(["predict", "admin"])


@pytest.mark.parametrize(
    ("rate", "text"),
    [(50.0, "50/s"), (0.5, "30/m"), (1 / 60, "1/m"), (1 / 3600, "1/h"), (1.2345, "1.23/s")],
)
def test_a_rate_is_written_as_people_say_it(rate: float, text: str) -> None:
    assert rate_text(rate) == text


def test_a_file_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "new" / "keys"
    write_keys(path, [KEY, FULL])
    assert read_keys(path) == [KEY, FULL]
    assert path.stat().st_mode & 0o777 == 0o600
    assert [one.name for one in path.parent.iterdir()] == ["keys"]


def test_a_file_that_others_may_read_still_is_one(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_text("# none yet\n\n")
    path.chmod(0o644)
    assert read_keys(path) == []
    write_keys(path, [KEY])
    assert path.stat().st_mode & 0o777 == 0o644


LINE = fields_of(KEY)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("pupila_secret", "it is not JSON"),
        ("[" * 100_000, "it is not JSON"),
        ("[]", "it is not a JSON object"),
        (LINE | {"secret": "pupila_secret"}, "it has an unknown field 'secret'"),
        (LINE | {"name": "a b"}, "its name is missing or not valid"),
        (LINE | {"sha256": "AB"}, "its sha256 is not 64 hexadecimal digits"),
        (LINE | {"scopes": []}, "its scopes are not a list of predict, label, read, operate"),
        (LINE | {"scopes": ["all"]}, "its scopes are not a list of"),
        (LINE | {"models": "clf"}, "its models are not a list of names"),
        (LINE | {"models": []}, "its models are not a list of names"),
        (LINE | {"rate": "50/s"}, "its rate is not a number from"),
        (LINE | {"rate": float("nan")}, "its rate is not a number from"),
        (LINE | {"daily": True}, "its daily is not a number from"),
        (LINE | {"daily": 1.5}, "its daily is not a number from"),
        (LINE | {"expires_at": "2030-01-31"}, "its expires_at is not a time with its offset"),
        (LINE | {"expires_at": 5}, "its expires_at is not a time with its offset"),
    ],
)
def test_a_broken_line_is_named_and_not_repeated(tmp_path: Path, line: Any, why: str) -> None:
    path = tmp_path / "keys"
    text = line if isinstance(line, str) else json.dumps(line)
    path.write_text(f"# a comment\n{text}\n")
    with pytest.raises(KeysError) as caught:
        read_keys(path)
    assert str(caught.value).startswith(f"{path}, line 2: {why}")
    assert "pupila_secret" not in str(caught.value)


def test_two_lines_of_one_name(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_text(2 * (json.dumps(LINE) + "\n"))
    with pytest.raises(KeysError, match="line 2: an earlier line has the same name or hash"):
        read_keys(path)


def test_what_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(KeysError, match=r"cannot be read: No such file or directory\.$"):
        read_keys(tmp_path / "absent")
    with pytest.raises(KeysError, match="is not a regular file"):
        read_keys(tmp_path)
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    with pytest.raises(KeysError, match="is not text in UTF-8"):
        read_keys(tmp_path / "binary")
    with pytest.raises(KeysError, match="cannot be written"):
        write_keys(Path("/proc/nowhere/keys"), [])
