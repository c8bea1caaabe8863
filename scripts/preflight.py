"""Whether the server can start: its settings are right, its port is free, its folders can be used.

``make serve`` asks before it says where it serves; BentoML would answer with a traceback.
"""

import os
import sys
import tempfile
from pathlib import Path

from errors import SettingsError
from serving.listening import refuse_address
from settings import settings

# BentoML makes these when it is imported, and ends with a traceback if it cannot.
_FOLDERS = ("bentos", "models", "envs", "tmp")


def main() -> None:
    try:
        port = settings().port
        _check_folders()
    except SettingsError as error:
        sys.exit(str(error))
    try:
        refuse_address(os.environ.get("BENTOML_HOST", "127.0.0.1"), port)
    except SettingsError as error:
        why = str(error).rstrip(".")
        if "cannot be listened on" in why:
            why += f"; choose another port, as in: PORT={port % 65535 + 1} make serve"
        sys.exit(why)


def _check_folders() -> None:
    """Raises SettingsError for one that the server needs and cannot have."""
    home = Path(os.environ.get("BENTOML_HOME") or "~/bentoml").expanduser()
    try:
        for name in _FOLDERS:
            (home / name).mkdir(parents=True, exist_ok=True)
            list((home / name).iterdir())
    except OSError as error:
        raise SettingsError(
            f"{error.filename or home} cannot be used ({error.strerror}): set BENTOML_HOME to a "
            "folder that this user may write."
        ) from None
    try:
        with tempfile.TemporaryFile() as file:
            file.write(bytes(65_536))
    except OSError as error:
        raise SettingsError(
            f"No temporary file can be written ({error.strerror}): set TMPDIR to a folder that has "
            "room and that this user may write."
        ) from None


if __name__ == "__main__":
    main()
