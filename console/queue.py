"""What to label next: by value, and spread, so that one scene does not come twenty times."""

from collections.abc import Collection, Sequence
from operator import lt
from typing import Final

import numpy as np
from numpy.typing import NDArray

from console.recent import RECENT
from records.candidates import Candidate, asked, disagreements, doubted, unknown, unsure
from records.database import Database
from records.routing import Rollout

_LOOKED_AT: Final = 240
# Two images for which a model's probabilities differ by less than this (Hellinger distance, from 0
# to 1) are one scene to it: it has nothing more to learn from the second.
_ALIKE: Final = 0.08

SHARES: Final = {"rollout": 4, "monitor": 3, "random": 2, "unknown": 2, "unsure": 2, "doubted": 1}
"""How many of each kind come in a row: those that decide something come most often, and none has to
wait until another is used up."""


def queue(
    database: Database,
    model: str,
    rollout: Rollout | None,
    source: str,
    skipped: Collection[int],
    limit: int,
) -> list[Candidate]:
    """The next images for whoever labels as ``source``."""
    rollout_id = None if rollout is None else rollout.id
    found = RECENT(
        ("queue", model, rollout_id, source), lambda: _found(database, model, rollout_id, source)
    )
    once: dict[int, Candidate] = {}
    for one in found:
        if one.id not in skipped:
            once.setdefault(one.id, one)
    kinds = [spread([one for one in once.values() if one.why == why]) for why in SHARES]
    return _mixed(kinds, list(SHARES.values()), limit)


def _found(
    database: Database, model: str, rollout_id: int | None, source: str
) -> Sequence[Candidate]:
    found = asked(database, model, _LOOKED_AT)
    if rollout_id is not None:
        found += disagreements(database, model, rollout_id, _LOOKED_AT)
    found += unknown(database, model, _LOOKED_AT)
    found += unsure(database, model, _LOOKED_AT)
    return found + doubted(database, model, _LOOKED_AT // 4, source)


def spread(candidates: Sequence[Candidate]) -> list[Candidate]:
    """The same, in order, but of those that are alike only the first, and the others at the end."""
    chosen: list[Candidate] = []
    others: list[Candidate] = []
    places: dict[int, list[NDArray[np.float32]]] = {}
    for one in candidates:
        place = _place(one)
        if place is None:
            chosen.append(one)
            continue
        near = places.setdefault(len(place), [])
        if near and np.min(np.linalg.norm(np.stack(near) - place, axis=1)) < _ALIKE * np.sqrt(2):
            others.append(one)
            continue
        near.append(place)
        chosen.append(one)
    return chosen + others


def _place(one: Candidate) -> NDArray[np.float32] | None:
    """float32 [C], the square roots of its probabilities: the Euclidean distance of two of them is
    the Hellinger distance times the square root of two. None for a model that gives none."""
    if one.probabilities is None or len(one.probabilities) % 4:
        return None
    values = np.frombuffer(one.probabilities, "<f4")
    return np.sqrt(np.clip(np.nan_to_num(values), 0.0, 1.0)).astype(np.float32)


def _mixed(
    kinds: Sequence[Sequence[Candidate]], shares: Sequence[int], limit: int
) -> list[Candidate]:
    """So many of the first kind, so many of the second, and again."""
    taken = [0] * len(kinds)
    mixed: list[Candidate] = []
    while len(mixed) < limit and any(map(lt, taken, map(len, kinds))):
        for index, (kind, share) in enumerate(zip(kinds, shares, strict=True)):
            mixed += kind[taken[index] : taken[index] + share]
            taken[index] += share
    return mixed[:limit]
