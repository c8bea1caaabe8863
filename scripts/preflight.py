"""Whether the server can start: its settings are right and its port is free.

``make serve`` asks before it says where it serves; BentoML would answer with a traceback.
"""

import os
import socket
import sys

from errors import SettingsError
from settings import settings


def main() -> None:
    try:
        port = settings().port
    except SettingsError as error:
        sys.exit(str(error))
    host = os.environ.get("BENTOML_HOST", "127.0.0.1")
    try:
        with socket.create_server((host, port)):
            pass
    except OSError as error:
        sys.exit(
            f"{host}:{port} cannot be listened on ({error.strerror}); "
            f"choose another port, as in: PORT={port % 65535 + 1} make serve"
        )


if __name__ == "__main__":
    main()
