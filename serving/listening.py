"""Where the server listens, and with which certificate: what cannot work is refused before a worker
starts, since each would die of it and be replaced.
"""

import os
import socket
from typing import Final

from errors import SettingsError

_NO_PEM: Final = "a file is not in the form PEM, or the key's password is wrong"
_CERTIFICATES: Final = {
    "KEY_VALUES_MISMATCH": "the key is not the certificate's",
    "EE_KEY_TOO_SMALL": "its key is too short",
    "CA_MD_TOO_WEAK": "its signature is too weak",
}


def refuse_address(host: str, port: int) -> None:
    """Raises SettingsError for an address that this machine cannot listen on, now or ever."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except (OSError, UnicodeError):
        raise SettingsError(
            f"{host!r} is not an address to listen on: write one such as 0.0.0.0 or ::1."
        ) from None
    try:
        with socket.create_server((host, port), family=found[0][0]):
            pass
    except (OSError, OverflowError) as error:
        number = getattr(error, "errno", None)
        why = os.strerror(number) if number else str(error)
        raise SettingsError(f"{host}:{port} cannot be listened on: {why}.") from None


def refuse_certificate(
    certificate: str | None, key: str | None, password: str | None, authorities: str | None
) -> None:
    """Raises SettingsError for what no worker could serve: each would die, and be replaced."""
    if certificate is None:
        return
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        # With a function, nobody is asked for the password at the terminal.
        context.load_cert_chain(certificate, key, lambda: password or "")
        if authorities is not None:
            context.load_verify_locations(authorities)
    except (OSError, ValueError) as error:
        if isinstance(error, ssl.SSLError):
            why = _CERTIFICATES.get(error.reason or "", _NO_PEM)
        else:
            why = getattr(error, "strerror", None) or str(error)
        files = ", ".join(path for path in (certificate, key, authorities) if path)
        raise SettingsError(f"The certificate cannot be served ({files}): {why}.") from None
