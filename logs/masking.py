"""Leaves secrets out of what is logged: those that a process knows, and what looks like one."""

import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import unquote

MASK: Final = "***"

# Shorter ones would be found in ordinary words.
_SHORTEST: Final = 4

_LOOKS_SECRET: Final = re.compile(
    # The password in a URL, up to the last @ of it: some write theirs without escaping it.
    r"(://[^\s:/@\"']*:)[^\s\"']+(?=@)"
    # A header, quoted in a message.
    r"|(\b(?:bearer|basic)\s+)[\w.~+/=-]{8,}"
    # As libpq, SQLAlchemy and others write them: password=…, 'api_key': '…'.
    r"|(\b(?:\w+[_-])?(?:password|passwd|pwd|secret|token|api[_-]?key)[\"']?\s*[=:]\s*[\"']?)"
    r"[^\s\"',;&)]+"
    # A key of ours.
    r"|(\bpupila_)[\w-]{43}",
    re.IGNORECASE,
)

# No secret is in a text without any of these, and most fields have none: it saves 2 µs each.
_MAY_BE_SECRET: Final = re.compile(r"[:=\s]|pupila_", re.IGNORECASE)

# As messages write the form of a URL; it is nobody's password.
_EXAMPLE: Final = "password"


class Masker:
    """``mask`` replaces secrets within a text by ``***``."""

    def __init__(self, secrets: Iterable[str | None] = ()) -> None:
        """``secrets``: passwords, tokens and URLs that this process knows, as they are set."""
        known = {form for secret in secrets if secret for form in (secret, unquote(secret))}
        # The longest first, so that none is left with the rest of another.
        self._known = sorted((one for one in known if len(one) >= _SHORTEST), key=len, reverse=True)

    def mask(self, text: str) -> str:
        for secret in self._known:
            if secret in text:
                text = text.replace(secret, MASK)
        return _LOOKS_SECRET.sub(_masked, text) if _MAY_BE_SECRET.search(text) else text


def _masked(found: "re.Match[str]") -> str:
    before = next((part for part in found.groups() if part), "")
    return found[0] if found[0] == f"{before}{_EXAMPLE}" else f"{before}{MASK}"
