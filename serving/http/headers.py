"""The headers of a request."""

from starlette.types import Scope


def header(scope: Scope, name: bytes) -> bytes | None:
    """The first value of a header, whose ``name`` is in lower case; None if there is none."""
    for known, value in scope["headers"]:
        if known == name:
            content: bytes = value
            return content
    return None
