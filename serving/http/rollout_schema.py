"""What operators send and get under ``/rollouts/``: the part of ``serving.http.schema`` that only
the routes for rollouts need.
"""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator
from pydantic_core import PydanticCustomError

from serving.http.schema import MAX_MODEL, RolloutListing

MAX_REASON = 1000


class RolloutReport(RolloutListing):
    """A rollout that is going on, or has ended."""

    model: str
    champion: str = Field(description="the tag of the version that it is compared with")
    ended_at: datetime | None


class RolloutsResponse(BaseModel):
    """The newest rollouts, newest first."""

    rollouts: list[RolloutReport]


class RolloutStart(BaseModel):
    """A rollout to begin, in the shadow."""

    model_config = ConfigDict(protected_namespaces=())

    model: str = Field(min_length=1, max_length=MAX_MODEL, examples=["clf"])
    challenger: str = Field(
        min_length=1, max_length=MAX_MODEL, description="a version in the store, or its tag"
    )
    because: str = Field(min_length=1, max_length=MAX_REASON, description="for the history")
    shadow: float = Field(
        default=0.1, ge=0, le=1, description="proportion of the images that both classify"
    )
    rule: dict[str, Any] = Field(
        default={}, description="by which it moves on; by default that of the settings"
    )

    @field_validator("rule")
    @classmethod
    def _flat(cls, rule: dict[str, Any]) -> dict[str, Any]:
        if any(isinstance(value, dict | list) for value in rule.values()):
            raise PydanticCustomError("rule", "Its values should be numbers, texts, true or false")
        return rule


class RolloutChange(BaseModel):
    """A change of the rollout of a model."""

    model_config = ConfigDict(protected_namespaces=())

    model: str = Field(min_length=1, max_length=MAX_MODEL, examples=["clf"])
    because: str = Field(min_length=1, max_length=MAX_REASON, description="for the history")


class RolloutResponse(BaseModel):
    """The rollout as it is now."""

    rollout: RolloutReport
    changed: bool = Field(description="false if it was so already")


class DecisionListing(BaseModel):
    """A change of the champion or of a rollout."""

    id: int
    at: datetime
    model: str
    action: str
    actor: str = Field(description="the name of a key, or who else decided it")
    because: str
    before: str | None = Field(description="the champion's version before")
    after: str | None = Field(description="and after, if it has changed")
    rollout_id: int | None
    numbers: dict[str, Any] = Field(description="what it was decided by")


class HistoryResponse(BaseModel):
    """The newest decisions, newest first."""

    decisions: list[DecisionListing]
