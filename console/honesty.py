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
    honesty = manifest.honesty
    if honesty is None:
        return fields
    if honesty.images / (honesty.images + 1) >= _COVERAGE:
        fields["coverage"] = _COVERAGE
    if honesty.limits:
        fields["known"] = True
    return fields


def found(answer: Mapping[str, Any]) -> Certainty:
    """What an answer says of it."""
    labels, known = answer.get("prediction_set"), answer.get("known")
    return Certainty(
        tuple(labels) if isinstance(labels, list) else None,
        known=known if isinstance(known, bool) else None,
    )
