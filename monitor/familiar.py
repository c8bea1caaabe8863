"""Images of a window that the version does not know, and answers that it did not give."""

from typing import Final

import numpy as np

from models.familiarity import SHARES
from models.honest import Honest
from monitor.frozen import Frozen
from monitor.phrasing import percent
from monitor.proportions import Proportion
from monitor.window.data import WindowData
from monitor.window.version import MonitoredVersion

_CHUNK: Final = 256


class FamiliarReport(Frozen):
    """``unknown``: the proportion of the images that are farther from their nearest training image
    than nearly all that were held out, as if every request had been recorded, and ``usual`` that of
    the latter; None where that cannot be told. ``abstained``: the proportion of the version's own
    answers that were null, None for a version that always answers. ``reason``: sentences."""

    images: int
    unknown: float | None
    usual: float | None
    abstained: float | None
    reason: str


def look(monitored: MonitoredVersion, data: WindowData) -> FamiliarReport:
    """What a window has of both. Raises ArtifactError if a file of the version was altered."""
    unknown, usual = _unknown(monitored, data)
    abstained = _abstained(data)
    parts = []
    if unknown is not None and usual is not None:
        parts.append(
            f"{percent(unknown)} of the images are not known (of those held out: {percent(usual)})."
        )
    if abstained is not None:
        parts.append(f"{percent(abstained)} of the answers were null, as it abstains.")
    return FamiliarReport(
        images=len(data), unknown=unknown, usual=usual, abstained=abstained, reason=" ".join(parts)
    )


def _unknown(monitored: MonitoredVersion, data: WindowData) -> tuple[float | None, float | None]:
    honest = Honest.load(monitored.version.artifact) if len(data) else None
    familiarity = None if honest is None else honest.familiarity
    if familiarity is None or familiarity.bound is None:
        return None, None
    usual = next(share for share in SHARES if familiarity.limit(share) is not None)
    spec, given = monitored.spec, data.embeddings
    parts = (
        given[start : start + _CHUNK]
        if given is not None
        else spec.features(data.pixels[start : start + _CHUNK])
        for start in range(0, len(data), _CHUNK)
    )
    strange = np.concatenate([~familiarity.knows(part) for part in parts])
    return Proportion.of(strange, data.weights).value, usual


def _abstained(data: WindowData) -> float | None:
    own = [data.record(int(index)) for index in np.flatnonzero(data.own)]
    said = [(record.abstained, record.weight or 1.0) for record in own]
    known = [(bool(abstained), weight) for abstained, weight in said if abstained is not None]
    if not known:
        return None
    mask, weights = zip(*known, strict=True)
    return Proportion.of(np.array(mask), np.array(weights, np.float64)).value
