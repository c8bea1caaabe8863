"""Which version answers for a model, as it is in memory: what servers and commands act on.

Nothing here imports SQLAlchemy: a server that keeps no records does without it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal

Alias = Literal["champion", "challenger"]
CHAMPION: Final[Alias] = "champion"
CHALLENGER: Final[Alias] = "challenger"

Role = Literal["champion", "challenger", "candidate"]
"""What a version was when it classified an image; a candidate is one that no alias names."""
CANDIDATE: Final = "candidate"

Stage = Literal["shadow", "canary", "promoted", "rolled back", "aborted"]
ACTIVE: Final[tuple[Stage, ...]] = ("shadow", "canary")

Action = Literal[
    "found", "promote", "rollback", "start", "stage", "pause", "resume", "gain", "harm", "abort"
]
"""What a decision did: ``found`` notes who was champion before anybody decided; ``promote`` and
``rollback`` are a person's; ``gain`` and ``harm`` end a rollout by promoting its challenger or
rolling it back, and ``abort`` ends it without a judgement; ``stage`` changes its stage or share."""


@dataclass(frozen=True)
class Rollout:
    """The way of a challenger to champion. ``champion`` and ``challenger`` are versions.

    ``share``: the proportion of requests that the challenger answers; ``shadow``: the proportion
    that both classify. A paused one keeps its challenger from all requests. ``rule``: by which it
    moves on, as it was when the rollout began.
    """

    id: int
    model: str
    champion: str
    challenger: str
    stage: Stage
    share: float
    shadow: float
    paused: bool
    started_at: datetime
    stage_at: datetime
    ended_at: datetime | None = None
    rule: Mapping[str, Any] = field(default_factory=dict)

    @property
    def active(self) -> bool:
        return self.ended_at is None


@dataclass(frozen=True)
class Routing:
    """Who answers for a model: versions by their alias, and the rollout that is going on."""

    model: str
    champion: str
    challenger: str | None = None
    rollout: Rollout | None = None


@dataclass(frozen=True)
class Decision:
    """One change of an alias or a rollout. ``before`` and ``after``: the champion; ``numbers``:
    what it was decided by; ``actor``: as in ``records.audit``."""

    id: int
    at: datetime
    model: str
    action: Action
    actor: str
    because: str
    before: str | None
    after: str | None
    rollout_id: int | None
    numbers: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Pair:
    """What the other version made of the image of a kept prediction.

    ``probabilities``: as in ``KeptPrediction``; ``failure``: why there is no label; ``differ``:
    whether the labels differ, None if one of the two failed.
    """

    rollout_id: int
    version: str
    role: Alias
    label: int | str | None
    probabilities: bytes | None
    seconds: float
    failure: str | None = None
    differ: bool | None = None
