"""What is faster than in production, and what it is there: everything else is as it is there."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from settings import Settings

SETTINGS: Final[Mapping[str, int | float]] = {
    "record_per_minute": 60_000,
    "ask_per_week": 105_000,
    "retrain_random_labels": 600,
    "retrain_interval_hours": 0,
    "guard_pairs": 100,
    "guard_requests": 50,
    "guard_minutes": 0.1,
}
"""The settings that differ, by their fields."""

INSPECT_SECONDS: Final = 6
LOOK_SECONDS: Final = 1
ANSWERED: Final = 10
"""Of so many images that are asked for at random, people label one."""
LATE_SECONDS: Final = 3.0
"""From the request for a label to the label."""


@dataclass(frozen=True)
class Difference:
    """A setting or a habit, what it is here, and what it is in production."""

    name: str
    here: str
    there: str


def variables() -> dict[str, object]:
    """The settings as variables of the environment."""
    return {f"PUPILA_{name.upper()}": value for name, value in SETTINGS.items()}


def differences() -> list[Difference]:
    """All that is in fast-forward."""
    fields = Settings.model_fields
    own = [
        Difference(f"PUPILA_{name.upper()}", f"{value:,}", f"{fields[name].default:,}")
        for name, value in SETTINGS.items()
    ]
    return [
        *own,
        Difference("pipeline watch --every", f"{INSPECT_SECONDS}s", "1h"),
        Difference("pipeline watch --seconds", f"{LOOK_SECONDS}", "10"),
        Difference("a label comes after", f"{LATE_SECONDS:g} s", "hours or days"),
        Difference("random images labelled", f"1 in {ANSWERED}", "all"),
    ]
