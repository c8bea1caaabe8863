"""Kinds and keys of ``records.traffic`` that tell of a challenger, counted under its version.

Nothing here imports SQLAlchemy: a server that keeps no records counts them for its metrics alone.
"""

import json
from typing import Final

# A trial is one image that a challenger was to answer: in time, or with the champion answering
# instead since it failed (raised, or gave no number), was late (half of the request's deadline had
# passed), or was stopped because it kept failing. One that was answered in time and took longer
# than the server calls slow is counted as slow instead of as answered.
TRIAL: Final = "trial"
ANSWERED: Final = "answered"
SLOW: Final = "slow"
LATE: Final = "late"
STOPPED: Final = "stopped"

# Images that both versions classified.
PAIR: Final = "pair"
SAME: Final = "same"
DIFFER: Final = "differ"

# Of trials and pairs.
FAILED: Final = "failed"

# Pairs that differ, by what the champion and the challenger said: see ``change_key``.
CHANGE: Final = "change"


def change_key(champion: str, challenger: str) -> str:
    """The key of a change from one label to another, both as JSON: ``8>3``, ``"cat">"dog"``."""
    return f"{champion}>{challenger}"


def changed(key: str) -> tuple[str, str]:
    """What ``change_key`` was made of."""
    # A label may contain the sign; only between two texts of JSON does each side end.
    _, end = json.JSONDecoder().raw_decode(key)
    return key[:end], key[end + 1 :]
