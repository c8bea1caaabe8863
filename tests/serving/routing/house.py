"""A server's parts around a rollout, in one event loop, and what they answer, count and record."""

import base64
import json
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from prometheus_client import REGISTRY
from starlette.types import Message, Receive, Scope

from models.store import Store
from models.unsaved import Unsaved
from models.version import Version
from serving.http.reply import Reply
from serving.inference.admission import Admission
from serving.predictions import Predict, PredictBatch
from serving.recording.connection import RecordsConnection
from serving.recording.recorder import Recorder
from serving.routing.registry import Registry
from serving.routing.trial import Trial
from serving.routing.trials import Trials
from settings import Settings
from tests.drafts import LinearDraft
from tests.serving.routing.decided import rollout, routing
from tests.waiting import PATIENCE_SECONDS, until_async

SCOPE: Scope = {"type": "http", "method": "POST", "headers": []}
JPEG = Path("tests/data/digit8.jpg").read_bytes()
IMAGE = base64.b64encode(JPEG).decode()
CHAMPION = LinearDraft(answer=8)


def query(number: int = 1, **fields: Any) -> dict[str, Any]:
    return {"request_id": str(number), "model": "clf", "image": IMAGE} | fields


def sending(content: Any) -> Receive:
    async def receive() -> Message:
        return {"type": "http.request", "body": json.dumps(content).encode()}

    return receive


@dataclass
class House:
    """A server's parts, and who is on trial."""

    registry: Registry
    recorder: Recorder
    settings: Settings
    champion: Version
    challenger: Version
    replies: list[Reply] = field(default_factory=list)

    @property
    def trial(self) -> Trial:
        return self.registry.trials.running["clf"]

    async def follow(self, **decided: Any) -> None:
        on_trial = rollout(self.champion, self.challenger, **decided)
        await self.registry.champions.follow(routing(self.champion, on_trial), PATIENCE_SECONDS)

    async def ask(self, content: dict[str, Any]) -> tuple[int, Any, str]:
        """The status, the body, and who answered."""
        route = PredictBatch if "items" in content else Predict
        parts = self.registry, self.settings, Admission(self.settings), self.recorder
        reply = await route(*parts)(SCOPE, sending(content))
        self.replies.append(reply)
        versions = [value for name, value in reply.headers if name == b"x-model-version"]
        return reply.status, json.loads(reply.body), b"".join(versions).decode()

    def attempts(self, outcome: str) -> float:
        names = {"model": "clf", "version": self.challenger.version, "outcome": outcome}
        return REGISTRY.get_sample_value("pupila_rollout_attempts_total", names) or 0.0

    def rows(self, statement: str) -> list[Any]:
        with closing(sqlite3.connect(self.settings.home / "records.db")) as connection:
            return connection.execute(statement).fetchall()

    async def written(self) -> None:
        """All that was counted so far is in the database."""
        self.recorder.renew()
        await until_async(lambda: not self.recorder._flusher.busy)


Open = Callable[..., Any]


def houses(tmp_path: Path) -> Open:
    """``async with houses(folder)(challenger) as it``; the challenger answers all."""

    @asynccontextmanager
    async def opened(
        challenger: Unsaved, champion: Unsaved = CHAMPION, **settings: Any
    ) -> AsyncIterator[House]:
        chosen = Settings(home=tmp_path / "home", **{"deadline_ms": 60_000} | settings)
        store = Store(tmp_path / "models")
        versions = store.save(champion), store.save(challenger)
        records = RecordsConnection(chosen)
        recorder = Recorder(chosen, records, 1)
        registry = Registry(store, chosen, Trials(chosen, recorder))
        await registry.champions.follow(routing(versions[0]))
        async with registry.watching(), recorder.running():
            made = House(registry, recorder, chosen, *versions)
            await made.follow()
            yield made
        records.close()

    return opened
