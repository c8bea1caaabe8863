"""The secret that a request came with."""

import binascii
from collections.abc import Iterable
from typing import Final

_BEARER: Final = b"Bearer "


def secret_in(headers: Iterable[tuple[bytes, bytes]]) -> bytes | None:
    """That of ``X-API-Key``, or else of ``Authorization``; None if there is neither.

    ``Authorization`` may be ``Bearer <key>`` or, for clients such as Label Studio that know no
    other, ``Basic`` with the key as the password. A proxy may have put one there for itself, so
    ``X-API-Key`` goes first.
    """
    authorization = None
    # A dictionary of them all would take half as long again.
    for name, value in headers:
        if name == b"authorization":
            authorization = value
        elif name == b"x-api-key":
            return value
    if authorization is None:
        return None
    if authorization.startswith(_BEARER):
        return authorization[len(_BEARER) :]
    return _other(authorization)


def _other(authorization: bytes) -> bytes:
    scheme, _, rest = authorization.partition(b" ")
    if scheme.lower() == b"bearer":
        return rest.strip()
    if scheme.lower() != b"basic":
        return b""
    try:
        return binascii.a2b_base64(rest.strip()).partition(b":")[2]
    except binascii.Error:
        return b""
