"""The base of settings and reports."""

from pydantic import BaseModel, ConfigDict


class Frozen(BaseModel):
    """Immutable, and without unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")
