"""The cookie and the token, by themselves."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from console.secret import FILE, shared_secret
from console.session import Session, read_session
from records.key import Key
from settings import Settings

SECRET = b"s" * 32
KEY = Key("ann", b"d" * 32, ("label",), datetime.now(UTC))


@dataclass(frozen=True)
class Holder:
    key: Key


def test_a_cookie_says_whose_it_is() -> None:
    session = Session.new("ann")
    assert read_session(session.signed(SECRET, KEY.digest), SECRET, [Holder(KEY)]) == session


@pytest.mark.parametrize(
    "key",
    [
        replace(KEY, digest=b"e" * 32),
        replace(KEY, revoked_at=datetime.now(UTC)),
        replace(KEY, expires_at=datetime.now(UTC) - timedelta(seconds=1)),
        replace(KEY, name="bob"),
    ],
)
def test_it_ends_with_its_key(key: Key) -> None:
    cookie = Session.new("ann").signed(SECRET, KEY.digest)
    assert read_session(cookie, SECRET, [Holder(key)]) is None


def test_it_ends_after_a_while() -> None:
    session = replace(Session.new(), ends=1)
    assert read_session(session.signed(SECRET, b""), SECRET, []) is None


@pytest.mark.parametrize("cookie", ["", ".", "x.y", "W10.W10", "\xff", "e30.e30", "a" * 5000])
def test_what_we_did_not_sign_is_nothing(cookie: str) -> None:
    assert read_session(cookie, SECRET, [Holder(KEY)]) is None


def test_nobody_makes_one_without_the_secret() -> None:
    cookie = Session.new("ann").signed(b"x" * 32, KEY.digest)
    assert read_session(cookie, SECRET, [Holder(KEY)]) is None


def test_a_token_is_of_one_session() -> None:
    one, other = Session.new(), Session.new()
    assert one.accepts(one.token(SECRET), SECRET)
    assert not one.accepts(other.token(SECRET), SECRET)
    assert not one.accepts("", SECRET)
    assert not one.accepts("\xe9", SECRET)


def test_all_workers_have_one_secret(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "new")
    first = shared_secret(settings)
    assert first == shared_secret(settings) == (tmp_path / "new" / FILE).read_bytes()
    assert (tmp_path / "new" / FILE).stat().st_mode & 0o777 == 0o600
    assert len(first) == 32


def test_a_secret_that_was_cut_short_is_made_again(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"short")
    assert len(shared_secret(Settings(home=tmp_path))) == 32


def test_the_settings_may_have_it(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, console_secret="x" * 40)
    assert shared_secret(settings) == b"x" * 40
    assert not (tmp_path / FILE).exists()
