"""Keys with their secrets, and requests that carry them."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from starlette.types import Scope as RequestScope

from records.key import Key, Scope, digest_of, new_secret

NOW = datetime.now(UTC).replace(microsecond=0)
YESTERDAY = NOW - timedelta(days=1)


def made(name: str = "line-3", *scopes: Scope, **changes: Any) -> tuple[str, Key]:
    """A secret and its key."""
    secret = new_secret()
    digest = digest_of(secret.encode())
    assert digest is not None
    return secret, replace(Key(name, digest, scopes or ("predict",), YESTERDAY), **changes)


def request(
    path: str = "/predict/",
    headers: Mapping[str, str] | None = None,
    *,
    method: str = "POST",
    client: tuple[str, int] | None = ("127.0.0.1", 5),
) -> RequestScope:
    raw = [
        (name.lower().encode(), text.encode("latin-1")) for name, text in (headers or {}).items()
    ]
    return {"type": "http", "method": method, "path": path, "headers": raw, "client": client}


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}
