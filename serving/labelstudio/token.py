"""How a server shows Label Studio who it is: with a token of either kind that users are given."""

import json
import threading
import time
from typing import Final

from errors import ImageError
from serving.labelstudio.addresses import Allowed
from serving.labelstudio.fetching import fetch

# An access token counts for five minutes.
_SECONDS: Final = 60.0
_MAX_BYTES: Final = 65_536
_LONGEST: Final = 8_192


class Token:
    """``text``: a legacy token, which is sent as it is, or a personal access token, a JWT, for
    which Label Studio at ``base`` gives an access token that counts for some minutes.

    Since Label Studio 1.20 the first kind is switched off unless its operator wants it. Source:
    https://labelstud.io/guide/access_tokens
    """

    def __init__(self, text: str, base: str, allowed: Allowed) -> None:
        self._text = text
        self._is_personal = text.startswith("eyJ") and text.count(".") == len(("head", "body"))
        self._url = f"{base}/api/token/refresh/"
        self._allowed = allowed
        self._lock = threading.Lock()
        self._access = ""
        self._until = 0.0

    def authorization(self) -> str:
        """The header's value; empty without a token. Blocks while Label Studio is asked. Raises
        ImageError, with the reason alone."""
        if not self._is_personal:
            return f"Token {self._text}" if self._text else ""
        with self._lock:
            if time.monotonic() >= self._until:
                self._access = self._exchanged()
                self._until = time.monotonic() + _SECONDS
            return f"Bearer {self._access}"

    def _exchanged(self) -> str:
        asked = json.dumps({"refresh": self._text}).encode()
        try:
            found = json.loads(fetch(self._url, self._allowed, _MAX_BYTES, content=asked))
            access = found["access"]
        except ImageError as error:
            reason = str(error)
        except (ValueError, TypeError, KeyError, RecursionError):
            reason = "its answer has no access token"
        else:
            if type(access) is str and access.isascii() and access.isprintable():
                return access[:_LONGEST]
            reason = "its answer has no access token"
        raise ImageError(f"Label Studio does not take PUPILA_LABELSTUDIO_TOKEN: {reason}")
