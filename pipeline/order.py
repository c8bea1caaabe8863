"""What the process of a retraining is told, and what it answers: both JSON."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from models.store import Store
from records.database import COMMAND_SECONDS, Database
from train.fit import SearchPlan


@dataclass(frozen=True)
class Order:
    """``retraining``: its number; ``champion``: a tag; ``lease`` and ``owner``: without which it
    must not save anything; ``memory``: in bytes, None for no limit."""

    database: str
    store: str | None
    retraining: int
    champion: str
    lease: str
    owner: str
    recipe: str | None = None
    accept_new_classes: bool = False
    plan: SearchPlan | None = None
    reason: str = ""
    memory: int | None = None

    def dump(self) -> bytes:
        """One line."""
        return json.dumps(asdict(self)).encode() + b"\n"

    @classmethod
    def load(cls, line: bytes) -> Self:
        fields = json.loads(line)
        plan = fields.pop("plan")
        return cls(**fields, plan=None if plan is None else SearchPlan(**plan))

    def open_store(self) -> Store:
        return Store(None if self.store is None else Path(self.store))

    def open_database(self) -> Database:
        return Database(self.database, timeout=COMMAND_SECONDS)


@dataclass(frozen=True)
class Answer:
    """``version``: the part of the tag after the colon; else ``error`` says why there is none."""

    version: str | None = None
    detail: str = ""
    error: str | None = None

    def dump(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def load(cls, text: str | bytes) -> Self:
        return cls(**json.loads(text))


def data_name(retraining: int) -> str:
    """What a retraining's version names as its data, and is found by after a crash."""
    return f"retraining {retraining}"
