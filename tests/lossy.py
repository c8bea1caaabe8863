"""A proxy in front of PostgreSQL that can lose the answer to a commit."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

_PORT = 6433
# Not that of READ COMMITTED.
_COMMIT = b"COMMIT\0"


class Lossy:
    """``lose``: the next commit's answer is lost: the server commits, and the connection breaks
    before it says so. ``cut``: the next commit itself is lost, and nothing is committed."""

    def __init__(self, server: Path, folder: Path) -> None:
        self.lose = threading.Event()
        self.cut = threading.Event()
        self.lost = threading.Event()
        self._server = server
        self._path = folder / f".s.PGSQL.{_PORT}"
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self._path))
        self._listener.listen()
        self._sockets = [self._listener]
        self._threads: list[threading.Thread] = []
        self._start(self._accept)

    def close(self) -> None:
        self._path.unlink()
        for one in self._sockets:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for one in self._sockets:
            one.close()

    def _start(self, work: Callable[..., None], *arguments: socket.socket) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.socket(socket.AF_UNIX)
                server.connect(str(self._server / ".s.PGSQL.5432"))
                self._sockets += [client, server]
                self._start(self._pass, client, server)
                self._start(self._answer, server, client)

    def _pass(self, client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := client.recv(65536):
                if _COMMIT in data and self.lose.is_set():
                    self.lose.clear()
                    self.lost.set()
                if _COMMIT in data and self.cut.is_set():
                    self.cut.clear()
                    client.shutdown(socket.SHUT_RDWR)
                    break
                server.sendall(data)
            server.shutdown(socket.SHUT_WR)

    def _answer(self, server: socket.socket, client: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := server.recv(65536):
                if self.lost.is_set():
                    self.lost.clear()
                    break
                client.sendall(data)
            client.shutdown(socket.SHUT_RDWR)
            server.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def lossy(url: str, server: Path, folder: Path) -> Iterator[tuple[str, Lossy]]:
    """The URL of the same database through it, and the proxy itself; ``folder``: a short path."""
    proxy = Lossy(server, folder)
    host = f"host={quote(str(folder), safe='')}&port={_PORT}"
    try:
        yield url.replace(f"host={server}", host), proxy
    finally:
        proxy.close()
