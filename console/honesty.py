"""What a version can say of its own certainty, asked for only where its manifest says so."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from models.manifest import Manifest

_COVERAGE: Final = 0.9


class Certainty(NamedTuple):
    """``labels``: one of these is right with the probability ``coverage``, as long as the image is
    like those of the training; ``known``: whether it is. None where the version says nothing.
    ``abstains``: whether the version was told to say nothing where it may be wrong."""

    labels: tuple[Any, ...] | None = None
    coverage: float = _COVERAGE
    known: bool | None = None
    abstains: bool = False


def asked(manifest: Manifest) -> dict[str, str]:
    """The fields of a form that ask for it."""
    fields: dict[str, str] = {}
    honesty = manifest.honesty
    if honesty is None:
        return fields
    coverage = _coverage(manifest)
    if honesty.images / (honesty.images + 1) >= coverage:
        fields["coverage"] = f"{coverage:g}"
    if honesty.limits:
        fields["known"] = "true"
    return fields


def found(answer: Mapping[str, Any], manifest: Manifest) -> Certainty:
    """What an answer says of it."""
    labels, known = answer.get("prediction_set"), answer.get("known")
    return Certainty(
        tuple(labels) if isinstance(labels, list) else None,
        _coverage(manifest),
        known if isinstance(known, bool) else None,
        manifest.abstain is not None,
    )


def _coverage(manifest: Manifest) -> float:
    """That by which the version abstains: another set would not be the reason for its silence."""
    return _COVERAGE if manifest.abstain is None else manifest.abstain
