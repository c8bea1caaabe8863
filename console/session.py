"""The cookie that says who visits, and the token that shows that a form is one of ours.

The cookie has a random number, the name of the key that was shown at the login, and a time at which
it ends, all signed with a secret of the server and the hash of the key: so it ends with the key,
and a copy of it is no key. A form's token is signed with the same secret over the random number.
"""

import base64
import binascii
import hmac
import json
import secrets
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Self

from console.server import Caller

COOKIE: Final = "pupila_console"
SECONDS: Final = 12 * 3600

_LONGEST: Final = 1024


@dataclass(frozen=True)
class Session:
    """``name``: of the key, None for whoever has shown none; ``ends``: in seconds since 1970."""

    number: str
    name: str | None
    ends: int

    @classmethod
    def new(cls, name: str | None = None) -> Self:
        return cls(secrets.token_urlsafe(18), name, int(time.time()) + SECONDS)

    def signed(self, secret: bytes, digest: bytes) -> str:
        """The cookie's value. ``digest``: of the key, empty without one."""
        content = _text(json.dumps([self.number, self.name, self.ends]).encode())
        return f"{content}.{_text(_mac(secret, 'cookie', content.encode() + digest))}"

    def token(self, secret: bytes) -> str:
        """What each form has."""
        return _text(_mac(secret, "form", f"{self.number}\n{self.name}".encode()))

    def accepts(self, token: str, secret: bytes) -> bool:
        return hmac.compare_digest(token.encode(), self.token(secret).encode())


def read_session(value: str, secret: bytes, callers: Iterable[Caller]) -> Session | None:
    """That of a cookie's value, if we signed it, its key still is one, and it has not ended."""
    content, _, signature = value[:_LONGEST].partition(".")
    try:
        number, name, ends = json.loads(_bytes(content))
        found = Session(str(number), name if name is None else str(name), int(ends))
        given = _bytes(signature)
    except (ValueError, TypeError, RecursionError, binascii.Error):
        return None
    digest = b""
    if found.name is not None:
        caller = caller_of(found.name, callers)
        if caller is None:
            return None
        digest = caller.key.digest
    right = _mac(secret, "cookie", content.encode() + digest)
    if not hmac.compare_digest(given, right) or time.time() >= found.ends:
        return None
    return found


def caller_of(name: str, callers: Iterable[Caller]) -> Caller | None:
    """Whose key has the name, while it is valid."""
    for caller in callers:
        key = caller.key
        if key.name == name:
            expired = key.expires_at is not None and key.expires_at.timestamp() <= time.time()
            return None if expired or key.revoked_at is not None else caller
    return None


def _mac(secret: bytes, purpose: str, content: bytes) -> bytes:
    return hmac.digest(secret, f"pupila console {purpose}\n".encode() + content, "sha256")


def _text(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
