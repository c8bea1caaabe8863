"""The keys that a worker accepts, looked up by the hash of a secret."""

import hmac
from collections.abc import Iterable, Sequence
from typing import Final

from errors import OverloadedError, UnauthorizedError
from records.key import Key, digest_of
from serving.keys.caller import Caller

MISSING: Final = UnauthorizedError(
    "A key is required: send it as Authorization: Bearer <key>, or as X-API-Key."
)
WRONG: Final = UnauthorizedError("The key is not valid.")
"""What most of those get who have no key; made once, as its reply is."""

_UNREAD: Final = OverloadedError("The keys cannot be read now; try again.", "keys")


class Keyring:
    """``closed``: whether a key is needed. Once it is, it stays so: there is no way back."""

    def __init__(self, *, required: bool = False) -> None:
        self.closed = required
        self._callers: dict[bytes, Caller] | None = None

    def find(self, secret: bytes | None) -> Caller:
        """Whose secret it is. Raises UnauthorizedError, or OverloadedError if nobody knows yet."""
        if secret is None:
            raise MISSING.with_traceback(None)
        callers = self._callers
        if callers is None:
            raise _UNREAD.with_traceback(None)
        digest = digest_of(secret)
        # How long this takes tells nothing: it depends on bits of the hash, and to change these by
        # choice, one would have to reverse SHA-256.
        caller = callers.get(digest) if digest is not None else None
        if caller is None or digest is None or not hmac.compare_digest(caller.key.digest, digest):
            raise WRONG.with_traceback(None)
        return caller

    def replace(
        self, keys: Iterable[Key], workers: int = 1, *, counts_are_shared: bool = True
    ) -> None:
        """Accept these, and no others; those that were there before keep their counts."""
        before = {caller.key.name: caller for caller in self.callers()}
        callers = {}
        for key in keys:
            caller = before.get(key.name)
            if caller is None or caller.key != key:
                caller = Caller(key, workers, counts_are_shared=counts_are_shared)
                if key.name in before:
                    caller.inherit(before[key.name])
            callers[key.digest] = caller
        self.closed = self.closed or bool(callers)
        self._callers = callers

    def callers(self) -> Sequence[Caller]:
        return tuple((self._callers or {}).values())

    @property
    def is_read(self) -> bool:
        """Whether the keys are known, even if there are none."""
        return self._callers is not None
