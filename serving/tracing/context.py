"""Which trace a request belongs to, as W3C's Trace Context has it in its headers.

https://www.w3.org/TR/trace-context/. What is malformed there is ignored, and begins a new trace.
"""

import re
from collections.abc import Iterable
from typing import Final, NamedTuple

_PARENT: Final = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_SAMPLED: Final = 1
_NO_TRACE: Final = b"0" * 32
_NO_SPAN: Final = b"0" * 16

_MEMBER: Final = re.compile(
    r"(?P<key>[a-z0-9][_0-9a-z\-*/]{0,255}|[a-z0-9][_0-9a-z\-*/]{0,240}@[a-z][_0-9a-z\-*/]{0,13})"
    r"=[ -+\--<>-~]{0,255}[!-+\--<>-~]"
)
_MOST_MEMBERS: Final = 32
# Everybody passes on so many; more would be kept for as long as a trace waits.
_MOST_CHARACTERS: Final = 512


class Parent(NamedTuple):
    """The span of the caller: ids in hexadecimal; ``state``: what tracing systems pass on."""

    trace_id: str
    span_id: str
    sampled: bool
    state: str


def parent_of(headers: Iterable[tuple[bytes, bytes]]) -> Parent | None:
    """The caller's span; None if the headers, in lower case, name none or one that is invalid."""
    given: bytes | None = None
    states: list[bytes] = []
    for name, value in headers:
        if name == b"traceparent":
            if given is not None:
                return None
            given = value.strip(b" \t")
        elif name == b"tracestate":
            states.append(value)
    found = None if given is None else _PARENT.fullmatch(given)
    if found is None:
        return None
    version, trace_id, span_id, flags, rest = found.groups()
    if version == b"ff" or (version == b"00" and rest is not None):
        return None
    if trace_id == _NO_TRACE or span_id == _NO_SPAN:
        return None
    sampled = bool(int(flags, 16) & _SAMPLED)
    return Parent(trace_id.decode(), span_id.decode(), sampled, _state(states))


def traceparent(trace_id: str, span_id: str, *, sampled: bool) -> bytes:
    """The value of the header that names this span."""
    return f"00-{trace_id}-{span_id}-{'01' if sampled else '00'}".encode()


def _state(values: Iterable[bytes]) -> str:
    """The members of all headers, the first ones if they are long; empty if one is malformed."""
    joined = b",".join(values).decode("latin-1")
    members = [member for part in joined.split(",") if (member := part.strip(" \t"))]
    keys = [found["key"] for member in members if (found := _MEMBER.fullmatch(member))]
    if len(keys) < len(members) or len(set(keys)) < len(keys) or len(keys) > _MOST_MEMBERS:
        return ""
    state = ""
    for member in members:
        longer = f"{state},{member}" if state else member
        if len(longer) > _MOST_CHARACTERS:
            break
        state = longer
    return state
