"""The secret that signs cookies and forms: the same for all workers, on the disk of the server."""

import logging
import os
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Final

from settings import Settings

logger = logging.getLogger("pupila.console")

FILE: Final = "console-secret"
"""Under ``PUPILA_HOME``."""

_BYTES: Final = 32
_MOST: Final = 1024


def shared_secret(settings: Settings) -> bytes:
    """That of the settings, else of the file, which is created where it is missing.

    Where none can be kept, one of this process: with several workers, a form is then refused now
    and then, which the log says.
    """
    if settings.console_secret is not None:
        return settings.console_secret.encode()
    path = settings.home / FILE
    try:
        return _read(path) or _create(path)
    except OSError as error:
        logger.warning(
            "%s cannot be kept (%s), so each worker has a secret of its own: set "
            "PUPILA_CONSOLE_SECRET, or let PUPILA_HOME be written.",
            path,
            error.strerror or error,
        )
        return secrets.token_bytes(_BYTES)


def _read(path: Path) -> bytes | None:
    try:
        with path.open("rb") as file:
            found = file.read(_MOST)
    except FileNotFoundError:
        return None
    return found if len(found) >= _BYTES else None


def _create(path: Path) -> bytes:
    """Of several workers, the one that links first wins, and all read what it wrote."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    descriptor = os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(_BYTES))
            file.flush()
            os.fsync(file.fileno())
        if path.exists() and _read(path) is None:
            # One that was cut short is of no use to anybody.
            part.replace(path)
        else:
            with suppress(FileExistsError):
                os.link(part, path)
    finally:
        with suppress(OSError):
            part.unlink()
    found = _read(path)
    if found is None:
        raise OSError(f"{path} has no secret")
    return found
