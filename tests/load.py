"""Clients that ask again and again, and know what became of each request."""

import contextlib
import http.client
import threading
from collections import Counter
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from tests.waiting import PATIENCE_SECONDS, until


class Load:
    """``clients`` threads that post one body until the block ends, ``pause`` seconds between.

    ``outcomes`` counts statuses; ``refused``, where no connection was made; and ``lost``, where one
    was and no response came.
    """

    def __init__(self, url: str, body: bytes, clients: int = 16, pause: float = 0) -> None:
        self.outcomes: Counter[int | str] = Counter()
        self._address = urlsplit(url).netloc
        self._body = body
        self._pause = pause
        self._done = threading.Event()
        self._lock = threading.Lock()
        self._clients = [threading.Thread(target=self._ask) for _ in range(clients)]

    def __enter__(self) -> Self:
        for client in self._clients:
            client.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._done.set()
        for client in self._clients:
            client.join()

    def wait_for(self, answers: int) -> None:
        """Until so many more requests were answered with 200."""
        wanted = self.outcomes[200] + answers
        until(
            lambda: self.outcomes[200] >= wanted,
            lambda: f"{wanted} answers of 200, not {dict(self.outcomes)}",
        )

    def _ask(self) -> None:
        connection = http.client.HTTPConnection(self._address, timeout=PATIENCE_SECONDS)
        with contextlib.closing(connection):
            while not self._done.is_set():
                outcome = self._outcome(connection)
                with self._lock:
                    self.outcomes[outcome] += 1
                self._done.wait(0.01 if outcome == "refused" else self._pause)

    def _outcome(self, connection: http.client.HTTPConnection) -> int | str:
        try:
            if connection.sock is None:
                connection.connect()
        except OSError:
            return "refused"
        try:
            connection.request("POST", "/predict/", self._body)
            response = connection.getresponse()
            response.read()
        except (OSError, http.client.HTTPException):
            connection.close()
            return "lost"
        return response.status
