"""Answers gRPC where an address for it is set, on each worker, until the server ends."""

import contextlib
import ipaddress
import logging
from collections.abc import AsyncIterator, Mapping
from importlib.util import find_spec
from typing import Final

from errors import SettingsError
from serving.http.front import Admit, Answer
from serving.http.guard import HEAD_SECONDS
from serving.http.head import MAX_HEAD_BYTES
from serving.inference.memory import held_bytes
from serving.listening import refuse_address
from settings import Settings

_NEEDED: Final = ("grpc", "google.protobuf")

# What a message has around its tensor: names, shapes, parameters.
_AROUND_BYTES: Final = 65_536
_MAX_STREAMS: Final = 256
_STOP_SECONDS: Final = 3.0


def refuse_grpc(settings: Settings, certificate: str | None) -> None:
    """Raises SettingsError where gRPC is wanted and cannot be answered; ``certificate``: that of
    the HTTP server."""
    if settings.grpc_address is None:
        return
    if not all(find_spec(name.partition(".")[0]) and find_spec(name) for name in _NEEDED):
        raise SettingsError(
            "PUPILA_GRPC_ADDRESS is set, but grpcio is not installed: run scripts/install grpc, "
            "or unset it."
        )
    if certificate is not None:
        raise SettingsError(
            "PUPILA_GRPC_ADDRESS is set beside a certificate, and gRPC is answered without one: "
            "leave TLS for both to a proxy, or unset it."
        )
    refuse_address(*_parts(settings.grpc_address))


@contextlib.asynccontextmanager
async def grpc(
    settings: Settings, answers: Mapping[str, Answer], admit: Admit, connections: int
) -> AsyncIterator[None]:
    """Answer until the block ends; then finish what is being answered. ``connections``: at most.

    Nothing is imported, opened or started where no address is set.
    """
    if settings.grpc_address is None:
        yield
        return
    from grpc import aio

    from serving.grpc.door import Door, has_reader

    logging.getLogger("grpc._cython.cygrpc").addFilter(has_reader)
    most = settings.max_body_bytes + _AROUND_BYTES
    server = aio.server(
        handlers=[Door(answers, admit, reading=max(1, held_bytes(settings) // most))],
        maximum_concurrent_rpcs=settings.queue_size + _MAX_STREAMS,
        options=[
            # All workers listen; the kernel gives each connection to one of them.
            ("grpc.so_reuseport", 1),
            ("grpc.max_receive_message_length", most),
            ("grpc.max_send_message_length", -1),
            ("grpc.max_metadata_size", MAX_HEAD_BYTES),
            ("grpc.absolute_max_metadata_size", MAX_HEAD_BYTES),
            ("grpc.max_concurrent_streams", _MAX_STREAMS),
            ("grpc.max_connection_idle_ms", int(settings.keep_alive_seconds * 1000)),
            # Those that never say anything would be held for two minutes.
            ("grpc.server_handshake_timeout_ms", int(HEAD_SECONDS * 1000)),
            ("grpc.max_allowed_incoming_connections", connections),
        ],
    )
    host, port = _parts(settings.grpc_address)
    server.add_insecure_port(f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
    await server.start()
    try:
        yield
    finally:
        # New connections go to nobody, and open ones are told to go elsewhere.
        await server.stop(_STOP_SECONDS)


def _parts(address: str) -> tuple[str, int]:
    """Raises SettingsError for what is no address."""
    host, _, port = address.rpartition(":")
    with contextlib.suppress(ValueError):
        number = int(port)
        if port.isascii() and 0 < number < 2**16:
            return str(ipaddress.ip_address(host.removeprefix("[").removesuffix("]"))), number
    raise SettingsError(
        f"PUPILA_GRPC_ADDRESS is {address!r}, but should be an address and a port such as "
        "0.0.0.0:8001 or [::1]:8001."
    )
