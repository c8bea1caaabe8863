"""Those who label: they get to what the service asks for, late, and send it as anybody would."""

import random
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import httpx

from demo.pace import ANSWERED, LATE_SECONDS
from demo.traffic import MODEL
from errors import DatabaseError, DemoError, SchemaError
from records.database import Database
from records.labelled import open_requests

_MOST: Final = 1000


class Labels:
    """``sent``: how many labels were sent, by why they were asked for."""

    def __init__(self, client: httpx.Client, home: Path, seed: int) -> None:
        self._client = client
        self._database = Database(f"sqlite:///{home / 'records.db'}")
        self._random = random.Random(seed)  # noqa: S311 - not used for secrets
        self._due: dict[str, float] = {}
        self.sent = {"random": 0, "monitor": 0, "rollout": 0}

    def send(self, truth: Mapping[str, str]) -> None:
        """Send those that are due by now; ``truth``: of each request. Raises DemoError if the
        server does not take them."""
        try:
            waiting = open_requests(self._database, MODEL)
        except (DatabaseError, SchemaError):
            return
        now = time.monotonic()
        drawn = {one.request_id: one.drawn for one in waiting}
        for id_ in drawn.keys() - self._due.keys():
            ignored = drawn[id_] == "random" and self._random.randrange(ANSWERED)
            self._due[id_] = float("inf") if ignored else now + LATE_SECONDS
        due = [id_ for id_ in drawn if self._due[id_] <= now and id_ in truth][:_MOST]
        if not due:
            return
        items = [
            {"request_id": id_, "label": truth[id_], "model": MODEL, "source": "demo"}
            for id_ in due
        ]
        answer = self._client.post("/feedback/", json=items)
        if answer.status_code != httpx.codes.OK:
            raise DemoError(f"The server took no labels: {answer.status_code} {answer.text[:500]}")
        for id_ in due:
            self.sent[drawn[id_]] = self.sent.get(drawn[id_], 0) + 1

    def close(self) -> None:
        self._database.close()
