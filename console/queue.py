"""What to label next: by value, and spread, so that one scene does not come twenty times."""

from collections.abc import Collection, Sequence
from operator import lt
from typing import Final

import numpy as np

from console.recent import RECENT
from records.candidates import (
    Candidate,
    asked,
    disagreements,
    doubted,
    second,
    unknown,
    unsure,
)
from records.database import Database
from records.routing import Rollout

_LOOKED_AT: Final = 120
# Others label too, by other workers.
_SECONDS: Final = 10.0
# Two images for which a model's probabilities differ by less than this (Hellinger distance, from 0
# to 1) are one scene to it: it has nothing more to learn from the second.
_ALIKE: Final = 0.08

SHARES: Final = {
    "rollout": 4,
    "monitor": 3,
    "random": 2,
    "unknown": 2,
    "unsure": 2,
    "doubted": 1,
    "second": 1,
}
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
    kinds = RECENT(
        ("queue", str(database.url), model, rollout_id, source),
        lambda: _kinds(_found(database, model, rollout_id, source)),
        _SECONDS,
    )
    left = [[one for one in kind if one.id not in skipped] for kind in kinds]
    return _mixed(left, list(SHARES.values()), limit)


def _kinds(found: Sequence[Candidate]) -> list[list[Candidate]]:
    """By reason, as in SHARES, each once, for the first of its reasons."""
    once: dict[int, Candidate] = {}
    for one in found:
        once.setdefault(one.id, one)
    return [spread([one for one in once.values() if one.why == why]) for why in SHARES]


def _found(
    database: Database, model: str, rollout_id: int | None, source: str
) -> Sequence[Candidate]:
    found = asked(database, model, _LOOKED_AT)
    if rollout_id is not None:
        found += disagreements(database, model, rollout_id, _LOOKED_AT)
    found += unknown(database, model, _LOOKED_AT)
    found += unsure(database, model, _LOOKED_AT)
    found += doubted(database, model, _LOOKED_AT // 4, source)
    return found + second(database, model, _LOOKED_AT // 4, source)


def spread(candidates: Sequence[Candidate]) -> list[Candidate]:
    """The same, in order, but of those that are alike only the first, and the others at the end."""
    places: dict[int, list[int]] = {}
    for at, one in enumerate(candidates):
        if one.probabilities and len(one.probabilities) % 4 == 0:
            places.setdefault(len(one.probabilities), []).append(at)
    # Models with another number of classes, and versions without probabilities, have no distance.
    alike = {at for group in places.values() for at in _alike(candidates, group)}
    chosen = [one for at, one in enumerate(candidates) if at not in alike]
    return chosen + [candidates[at] for at in sorted(alike)]


def _alike(candidates: Sequence[Candidate], group: Sequence[int]) -> list[int]:
    """Of the ``group``, those that are alike to one before that is not itself left out.

    Of the square roots of probabilities, the Euclidean distance is the Hellinger distance times the
    square root of two.
    """
    content = b"".join(candidates[at].probabilities or b"" for at in group)
    values = np.frombuffer(content, "<f4").reshape(len(group), -1)
    roots = np.sqrt(np.clip(np.nan_to_num(values), 0.0, 1.0), dtype=np.float32)
    squares = np.sum(roots * roots, axis=1)
    distances = squares[:, None] + squares[None, :] - 2 * roots @ roots.T
    near = distances < 2 * _ALIKE**2
    kept: list[int] = []
    out: list[int] = []
    for at, place in enumerate(group):
        if near[at, kept].any():
            out.append(place)
        else:
            kept.append(at)
    return out


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
