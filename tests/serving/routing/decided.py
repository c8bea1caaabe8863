"""Rollouts and aliases as they are after somebody decided, without a database."""

from dataclasses import replace
from datetime import UTC, datetime

from models.version import Version
from records.routing import Rollout, Routing, Stage

_AT = datetime(2026, 1, 1, tzinfo=UTC)


def rollout(
    champion: Version,
    challenger: Version,
    share: float = 1.0,
    shadow: float = 0.0,
    stage: Stage = "canary",
) -> Rollout:
    """By default all requests are the challenger's."""
    return Rollout(
        id=1,
        model=champion.name,
        champion=champion.version,
        challenger=challenger.version,
        stage=stage,
        share=share,
        shadow=shadow,
        paused=False,
        started_at=_AT,
        stage_at=_AT,
    )


def routing(champion: Version, on_trial: Rollout | None = None) -> dict[str, Routing]:
    """For one model."""
    challenger = on_trial.challenger if on_trial is not None else None
    return {champion.name: Routing(champion.name, champion.version, challenger, on_trial)}


def paused(on_trial: Rollout) -> Rollout:
    return replace(on_trial, paused=True)
