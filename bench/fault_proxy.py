"""Stands between a server and its PostgreSQL, and is slow or cuts off when it is told to."""

import contextlib
import socket
import threading
import time
from pathlib import Path

from bench.process import free_port


class Proxy:
    """Listens on a port of this machine; ``delay``: seconds that each message to the database
    takes."""

    def __init__(self, database: Path) -> None:
        self.delay = 0.0
        self.port = free_port()
        self._database = str(database / ".s.PGSQL.5432")
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Every connection that there is."""
        for one in [*self._open]:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        self._open.clear()

    def close(self) -> None:
        self._listener.close()
        self.cut()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                database = socket.socket(socket.AF_UNIX)
                try:
                    database.connect(self._database)
                except OSError:
                    client.close()
                    continue
                self._open += [client, database]
                for source, target, slow in ((client, database, True), (database, client, False)):
                    arguments = (source, target, slow)
                    threading.Thread(target=self._pass, args=arguments, daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket, slow: bool) -> None:
        with contextlib.suppress(OSError):
            while content := source.recv(65536):
                if slow:
                    time.sleep(self.delay)
                target.sendall(content)
        for one in (source, target):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
