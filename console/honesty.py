"""What a version can say of its own certainty, asked for only where its manifest says so."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from models.manifest import Manifest

_COVERAGE: Final = 0.9


class Certainty(NamedTuple):
    """``labels``: one of these is right with the probability ``coverage``; ``known``: whether the
    image is like those the version was validated on. None where the version says nothing."""

    labels: tuple[Any, ...] | None = None
    coverage: float = _COVERAGE
    known: bool | None = None


def asked(manifest: Manifest) -> dict[str, Any]:
    """The fields of a request that ask for it."""
    fields: dict[str, Any] = {}
    if getattr(manifest, "prediction_sets", None) or getattr(manifest, "calibration", None):
        fields["coverage"] = _COVERAGE
    if getattr(manifest, "known", None):
        fields["known"] = True
    return fields


def found(answer: Mapping[str, Any]) -> Certainty:
    """What an answer says of it."""
    labels, known = answer.get("prediction_set"), answer.get("known")
    if isinstance(known, Mapping):
        known = known.get("known")
    coverage = answer.get("coverage", _COVERAGE)
    return Certainty(
        tuple(labels) if isinstance(labels, list) else None,
        coverage if isinstance(coverage, float) else _COVERAGE,
        known if isinstance(known, bool) else None,
    )
