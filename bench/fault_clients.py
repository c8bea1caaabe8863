"""Good clients, and what they see."""

import base64
import http.client
import itertools
import json
import ssl
import threading
import time
from collections import Counter
from dataclasses import dataclass, field

from bench.process import ROOT

JPEG = (ROOT / "tests" / "data" / "digit8.jpg").read_bytes()
LABEL = 8
CLIENTS = 3
PAUSE_SECONDS = 0.05
PATIENCE_SECONDS = 3.0

# Anybody's certificate: some of the faults are the certificate's.
TRUSTING = ssl.create_default_context()
TRUSTING.check_hostname = False
TRUSTING.verify_mode = ssl.CERT_NONE


@dataclass
class Clients:
    """Good clients, each asking ten or twenty times a second; the last sends labels of
    what the others asked.

    Half of them keep their connections, and half open one for each request. ``answers``: when each
    came, and what it was.
    """

    port: int
    key: str | None = None
    tls: bool = False
    answers: list[tuple[float, str]] = field(default_factory=list)
    _asked: str = "none"
    _done: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def start(self) -> None:
        for number in range(CLIENTS + 1):
            thread = threading.Thread(target=self._ask, args=(number,), daemon=True)
            thread.start()
            self._threads.append(thread)

    def stop(self) -> None:
        self._done.set()
        for thread in self._threads:
            thread.join(PATIENCE_SECONDS * 2)

    def counts(self, since: float, until: float) -> Counter[str]:
        return Counter(what for at, what in [*self.answers] if since <= at <= until)

    def _ask(self, number: int) -> None:
        labelling, connection = number == CLIENTS, self._connection()
        path = "/feedback/" if labelling else "/predict/"
        image = base64.b64encode(JPEG).decode()
        headers = {"X-API-Key": self.key} if self.key else {}
        for asked in itertools.count():
            if self._done.wait(PAUSE_SECONDS * (4 if labelling else 1)):
                break
            fields: dict[str, object] = {"request_id": f"c{number}-{asked}", "model": "clf"}
            fields["image"] = image
            if labelling:
                fields |= {"request_id": self._asked, "label": LABEL}
            try:
                connection.request("POST", path, json.dumps(fields), headers)
                answer = connection.getresponse()
                body = answer.read()
                what = str(answer.status)
                if answer.status == 200 and not labelling:
                    json.loads(body)["prediction"]
                    self._asked = str(fields["request_id"])
            except (OSError, http.client.HTTPException, ValueError, KeyError) as error:
                connection.close()
                what = _told(error)
            self.answers.append((time.time(), f"label {what}" if labelling else what))
            if number % 2:
                connection.close()
        connection.close()

    def _connection(self) -> http.client.HTTPConnection:
        if self.tls:
            return http.client.HTTPSConnection(
                "127.0.0.1", self.port, timeout=PATIENCE_SECONDS, context=TRUSTING
            )
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_SECONDS)


def _told(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer in {PATIENCE_SECONDS:.0f} s"
    if isinstance(error, ConnectionRefusedError):
        return "refused"
    return "cut off"
