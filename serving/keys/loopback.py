"""Whether a request comes from a program on this machine, and from nobody behind it."""

import ipaddress
from typing import Final

from starlette.types import Scope

# A proxy on this machine adds one of these for whoever is behind it.
_FORWARDING: Final = (b"forwarded", b"via", b"x-real-ip")
_FORWARDING_PREFIX: Final = b"x-forwarded-"


def is_local(scope: Scope) -> bool:
    """Peer, ``Host`` and any ``Origin`` are this machine, and no header tells of a proxy.

    ``Host`` and ``Origin`` because a page of any website may ask a browser on this machine to send
    requests here, by a name of its own that leads to 127.0.0.1.
    """
    client = scope.get("client")
    if client is None or not _is_loopback(client[0]):
        return False
    hosts = 0
    for name, value in scope["headers"]:
        if name in _FORWARDING or name.startswith(_FORWARDING_PREFIX):
            return False
        if name == b"host":
            hosts += 1
            if not _is_loopback(_host_of(value)):
                return False
        elif name == b"origin":
            scheme, separator, host = value.partition(b"://")
            if (
                not separator
                or scheme not in (b"http", b"https")
                or not _is_loopback(_host_of(host))
            ):
                return False
    return hosts == 1


def _host_of(value: bytes) -> str:
    """``host``, ``host:port``, ``[::1]`` or ``[::1]:port`` without its port."""
    text = value.decode("latin-1").lower()
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0]


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback
