"""Which addresses a server may fetch images from: those of hosts that its operator has listed.

A task's URL is written by whoever may import tasks. Without a list it could reach whatever this
server can: its neighbours, or the metadata of a cloud. So the host is checked, and what its name
resolves to; the connection goes to the address that was checked, and each redirect begins anew.
"""

import ipaddress
import socket
from collections.abc import Collection
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from errors import ImageError

_PORTS: Final = {"http": 80, "https": 443}


class Place(NamedTuple):
    """``address``: to connect to; ``host``: whose certificate it must have; ``target``: to ask."""

    scheme: str
    host: str
    port: int
    address: str
    target: str


class Allowed:
    """``hosts``: such as ``images.example.com`` or ``10.0.0.7:9000``, those with a port for that
    port alone. ``private``: whether their addresses may be of private networks, or this machine's.
    """

    def __init__(self, hosts: Collection[str], *, private: bool = False) -> None:
        self._hosts = frozenset(host.lower() for host in hosts)
        self._private = private

    def place(self, url: str) -> Place:
        """Where a URL leads. Blocks while its name is resolved. Raises ImageError, with the reason
        alone, for one that may not be fetched."""
        try:
            parts = urlsplit(url)
            port = parts.port or _PORTS.get(parts.scheme, 0)
        except ValueError:
            raise ImageError("its URL is not valid") from None
        host = (parts.hostname or "").lower().rstrip(".")
        if parts.scheme not in _PORTS or not host or parts.username or parts.password:
            raise ImageError("its URL must be http://… or https://…, without a password")
        if not {host, f"{host}:{port}"} & self._hosts:
            raise ImageError(f"its host {host[:100]!r} is not in PUPILA_LABELSTUDIO_HOSTS")
        target = parts.path or "/"
        if parts.query:
            target += f"?{parts.query}"
        if not (target.isascii() and target.isprintable()) or " " in target:
            raise ImageError("its URL is not valid: it must be percent-encoded")
        return Place(parts.scheme, host, port, self._address(host, port), target)

    def _address(self, host: str, port: int) -> str:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            raise ImageError(f"its host {host[:100]!r} cannot be found") from None
        for _, _, _, _, address in found:
            if self._may(str(address[0])):
                return str(address[0])
        raise ImageError(
            f"its host {host[:100]!r} has an address of a private network, which "
            "PUPILA_LABELSTUDIO_PRIVATE does not allow"
        )

    def _may(self, text: str) -> bool:
        address = ipaddress.ip_address(text.partition("%")[0])
        mapped = getattr(address, "ipv4_mapped", None)
        address = mapped or address
        if address.is_link_local or address.is_multicast or address.is_unspecified:
            # Of a cloud's metadata, among others: never.
            return False
        return address.is_global or (self._private and (address.is_private or address.is_loopback))
