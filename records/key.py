"""A key: who may ask a server, for what, and how often. Only the hash of its secret is kept.

Imports nothing of ``records``: a server without a database reads keys from a file.
"""

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any, Final, Literal, cast, get_args

from errors import KeysError

Scope = Literal["predict", "label", "read", "operate"]
"""predict: images; label: true labels; read: models, metrics, reports; operate: rollouts,
promotion, deletion."""

SCOPES: Final[tuple[Scope, ...]] = get_args(Scope)
MAX_KEY_NAME: Final = 64
# Long enough for a request a day, and short enough for a float.
MIN_RATE: Final = 1e-5
MAX_RATE: Final = 1e9
MAX_DAILY: Final = 10**15

UNITS: Final = {"s": 1, "m": 60, "h": 3600}
"""Seconds of the times that a rate may be given for."""

_PREFIX: Final = "pupila_"
_SECRET_BYTES: Final = 32
SECRET_LENGTH: Final = len(_PREFIX) + 43
_NAME: Final = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._@-]{{0,{MAX_KEY_NAME - 1}}}")


@dataclass(frozen=True)
class Key:
    """``digest``: the SHA-256 of its secret. ``models``: those it may ask, None for all.

    ``rate``: images or labels a second; ``daily``: the same from midnight to midnight, UTC. None is
    no limit.
    """

    name: str
    digest: bytes
    scopes: tuple[Scope, ...]
    created_at: datetime
    models: tuple[str, ...] | None = None
    rate: float | None = None
    daily: int | None = None
    expires_at: datetime | None = None
    revoked_at: datetime | None = None

    def allows(self, model: str) -> bool:
        """Whether the model, by its name without a version, may be asked."""
        return self.models is None or model in self.models


def new_secret() -> str:
    """What a client sends: 256 random bits, so that one hash without salt is enough."""
    return _PREFIX + secrets.token_urlsafe(_SECRET_BYTES)


def digest_of(secret: bytes) -> bytes | None:
    """The hash that is kept of a secret; None, without hashing it, for what can be none."""
    if len(secret) != SECRET_LENGTH:
        return None
    return sha256(secret).digest()


def rate_text(rate: float) -> str:
    """``50/s``, ``600/m`` or ``5/h``: in the shortest time that makes it a whole number."""
    for unit, seconds in UNITS.items():
        count = rate * seconds
        if abs(count - round(count)) < 1e-6 * count and round(count):
            return f"{round(count):,}/{unit}"
    return f"{rate:.3g}/s"


def checked_name(name: str) -> str:
    """The name, if a key may have it. Raises KeysError."""
    if not _NAME.fullmatch(name):
        raise KeysError(
            f"{name!r} is not a key's name: write 1 to {MAX_KEY_NAME} letters, digits and . _ @ -, "
            "beginning with a letter or digit."
        )
    return name


def checked_scopes(scopes: list[str]) -> tuple[Scope, ...]:
    """The scopes in their own order, each once. Raises KeysError."""
    unknown = [scope for scope in scopes if scope not in SCOPES]
    if unknown or not scopes:
        what = f"{unknown[0]!r} is not a scope" if unknown else "A key needs a scope"
        raise KeysError(f"{what}: choose from {', '.join(SCOPES)}.")
    return tuple(scope for scope in SCOPES if scope in scopes)


def fields_of(key: Key) -> dict[str, Any]:
    """The key as JSON has it, without what it does not say."""
    times = {"created_at": key.created_at, "expires_at": key.expires_at}
    times |= {"revoked_at": key.revoked_at}
    fields = {
        "name": key.name,
        "sha256": key.digest.hex(),
        "scopes": list(key.scopes),
        "models": None if key.models is None else list(key.models),
        "rate": key.rate,
        "daily": key.daily,
    }
    fields |= {name: None if at is None else at.isoformat() for name, at in times.items()}
    return {name: value for name, value in fields.items() if value is not None}


_FIELDS: Final = {
    "name", "sha256", "scopes", "models", "rate", "daily", "created_at", "expires_at", "revoked_at",
}  # fmt: skip


def key_of(fields: object) -> Key:
    """The key that ``fields_of`` wrote. Raises KeysError with what is wrong, without a subject.

    Strict, since a limit that was misspelled must not become none.
    """
    if not isinstance(fields, Mapping):
        raise KeysError("it is not a JSON object")
    unknown = sorted(fields.keys() - _FIELDS)
    if unknown:
        raise KeysError(f"it has an unknown field {unknown[0]!r}")
    name, digest, scopes = (fields.get(field) for field in ("name", "sha256", "scopes"))
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise KeysError("its name is missing or not valid")
    if not isinstance(digest, str) or not re.fullmatch("[0-9a-f]{64}", digest):
        raise KeysError("its sha256 is not 64 hexadecimal digits")
    if not isinstance(scopes, list) or not scopes or any(one not in SCOPES for one in scopes):
        raise KeysError(f"its scopes are not a list of {', '.join(SCOPES)}")
    models = fields.get("models")
    if models is not None and not _is_list_of_names(models):
        raise KeysError("its models are not a list of names")
    created_at = _time(fields, "created_at")
    if created_at is None:
        raise KeysError("its created_at is missing")
    return Key(
        name=name,
        digest=bytes.fromhex(digest),
        scopes=checked_scopes(scopes),
        created_at=created_at,
        models=None if models is None else tuple(models),
        rate=_number(fields, "rate", MIN_RATE, MAX_RATE),
        daily=cast("int | None", _number(fields, "daily", 1, MAX_DAILY, whole=True)),
        expires_at=_time(fields, "expires_at"),
        revoked_at=_time(fields, "revoked_at"),
    )


def _is_list_of_names(models: object) -> bool:
    return isinstance(models, list) and bool(models) and all(isinstance(m, str) for m in models)


def _number(
    fields: Mapping[str, Any], name: str, least: float, most: float, *, whole: bool = False
) -> float | None:
    value = fields.get(name)
    if value is None:
        return None
    kinds = int if whole else int | float
    if isinstance(value, bool) or not isinstance(value, kinds) or not least <= value <= most:
        raise KeysError(f"its {name} is not a number from {least:g} to {most:g}")
    return value


def _time(fields: Mapping[str, Any], name: str) -> datetime | None:
    value = fields.get(name)
    if value is None:
        return None
    try:
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        moment = None
    if moment is None or moment.tzinfo is None:
        raise KeysError(f"its {name} is not a time with its offset from UTC")
    return moment
