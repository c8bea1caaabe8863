"""The rule by which a rollout moves on or back: set when it begins, and kept with it."""

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Annotated, Any, Final, Self

from pydantic import Field, ValidationError
from pydantic.dataclasses import dataclass

from errors import RolloutError
from settings import Settings

SHADOW: Final = 0.1
"""Proportion of the requests that both versions classify, unless told otherwise."""

SHARES: Final = (0.05, 0.25, 0.5)
"""Of the canary, one stage after the other."""

Count = Annotated[int, Field(ge=0)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Proportion = Annotated[float, Field(ge=0, le=1)]

_STAGES: Final = 1 + len(SHARES)


@dataclass(frozen=True)
class GuardRule:
    """``alpha``: the probability of any wrong promotion or rollback of a challenger that is the
    champion's equal. Half of it is for a gain, 3/10 for harm, both by labels over the whole
    rollout; a tenth each for failures and slow answers, in equal parts for the shadow and each
    share of the canary, which are counted afresh.

    ``pairs``: images that both classify in the shadow; ``labels``: disagreements that are labelled
    before the canary, if the gate could not tell the two apart; ``requests`` and ``minutes``: that
    each share of the canary takes at least. ``changed``: with a larger proportion of changed
    answers there is no canary before labels show a gain; ``margin``: with a smaller one for
    certain, no labels are needed for it, since accuracy cannot lose more. ``slower``: a challenger
    may be over the champion's usual time so many times more often. ``enough_pairs`` and
    ``enough_labels``: promote without evidence of a gain after so many without evidence of harm; 0
    for never. ``days``: then it is given up. ``gated``: whether the gate passed it.
    """

    alpha: Annotated[float, Field(gt=0, lt=1)] = 0.05
    pairs: Count = 200
    labels: Count = 20
    requests: Count = 500
    minutes: Annotated[float, Field(ge=0)] = 10.0
    changed: Proportion = 0.3
    margin: Proportion = 0.01
    slower: Positive = 2.0
    enough_pairs: Count = 0
    enough_labels: Count = 0
    days: Positive = 14.0
    gated: bool = False

    @classmethod
    def of(cls, settings: Settings, **changes: Any) -> Self:
        """The rule of the settings."""
        names = {field.name for field in fields(cls)} - {"gated", "margin"}
        values = {name: getattr(settings, f"guard_{name}") for name in names}
        return cls(**values | {"margin": settings.gate_margin} | changes)

    @classmethod
    def kept(cls, rule: Mapping[str, Any], settings: Settings) -> Self:
        """The rule of a rollout; what it lacks is as the settings have it.

        Raises RolloutError for a value that is none: whoever began it may have written anything.
        """
        names = {field.name for field in fields(cls)}
        try:
            return cls.of(settings, **{name: rule[name] for name in names & rule.keys()})
        except ValidationError as error:
            first = error.errors()[0]
            raise RolloutError(
                f"its rule cannot be used, since {first['loc'][0]} is {first['input']!r}: "
                f"{first['msg'].lower()}"
            ) from None

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def gain(self) -> float:
        return 0.5 * self.alpha

    @property
    def harm(self) -> float:
        return 0.3 * self.alpha

    @property
    def failures(self) -> float:
        """Of one stage."""
        return 0.1 * self.alpha / _STAGES

    @property
    def slow(self) -> float:
        """Of one stage."""
        return 0.1 * self.alpha / _STAGES


def next_share(share: float) -> float | None:
    """The share of the canary after this one; None after the last."""
    return next((larger for larger in SHARES if larger > share + 1e-9), None)
