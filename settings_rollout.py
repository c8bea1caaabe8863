"""The settings of the gate and the guard, which ``settings.Settings`` has too."""

from pydantic import Field
from pydantic_settings import BaseSettings


class RolloutSettings(BaseSettings):
    """How a challenger is judged. A rollout keeps the rule with which it began."""

    # Not in the object's repr, since it may contain a password.
    mlflow_tracking_uri: str | None = Field(
        default=None,
        validation_alias="MLFLOW_TRACKING_URI",
        repr=False,
        description="MLflow server, such as `https://mlflow.example.com`, that gets a run for each "
        "verdict of the gate",
    )
    gate_margin: float = Field(
        default=0.01,
        ge=0,
        le=1,
        description="accuracy that a challenger may lose on a holdout; the gate passes it if it "
        "loses less for certain (95%), and refuses it if it loses more for certain",
    )
    gate_recall: float = Field(
        default=0.05,
        ge=0,
        le=1,
        description="recall that no class may lose for certain (95%, over all classes)",
    )
    gate_slower: float = Field(
        default=2.0,
        ge=1,
        description="the gate refuses a challenger that takes so many times as long for an image",
    )
    gate_better: bool = Field(
        default=False,
        description="whether the gate passes only a challenger that is more accurate for certain",
    )
    guard_alpha: float = Field(
        default=0.05,
        gt=0,
        lt=1,
        description="probability that a rollout of a challenger that equals the champion ends in a "
        "promotion or rollback on false evidence, over all tests and stages",
    )
    guard_pairs: int = Field(
        default=200,
        ge=1,
        description="images that both versions classify in the shadow before the canary",
    )
    guard_labels: int = Field(
        default=20,
        ge=0,
        description="labelled disagreements before the canary, if the gate had too few images",
    )
    guard_requests: int = Field(
        default=500,
        ge=1,
        description="requests that a challenger gets with each share of the canary",
    )
    guard_minutes: float = Field(
        default=10.0, ge=0, description="minutes that each share of the canary takes at least"
    )
    guard_changed: float = Field(
        default=0.3,
        ge=0,
        le=1,
        description="proportion of changed answers above which there is no canary before labels "
        "show a gain",
    )
    guard_slower: float = Field(
        default=2.0,
        ge=1,
        description="how many times more often than the champion a challenger may be slower than "
        "the champion usually is",
    )
    guard_enough_pairs: int = Field(
        default=0,
        ge=0,
        description="pairs after which, with `PUPILA_GUARD_ENOUGH_LABELS`, a challenger is "
        "promoted without evidence of harm; 0 for only on evidence of a gain",
    )
    guard_enough_labels: int = Field(
        default=0,
        ge=0,
        description="labelled disagreements for that",
    )
    guard_days: float = Field(
        default=14.0, gt=0, description="days after which an undecided rollout is given up"
    )
