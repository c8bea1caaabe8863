"""Whether the images and labels of a window are fit to be looked at, or to be trained on."""

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from images.spec import ImageSpec
from models.manifest import Label
from models.reference import Reference
from monitor.quality import image_checks, label_checks
from monitor.quality.check import Check, Seen
from monitor.window.images import Decoded
from records.reports import State
from records.traffic import Traffic
from records.windows import Record


class QualityReport(BaseModel):
    """All checks of one window; ``state``: that of the worst; ``reason``: what those in it say."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    state: State
    reason: str
    records: int
    images: int
    labels: int
    checks: tuple[Check, ...]


def check_quality(
    records: Sequence[Record],
    decoded: Decoded,
    reference: Reference | None,
    spec: ImageSpec,
    labels: Sequence[Label],
    traffic: Sequence[Traffic] = (),
) -> QualityReport:
    """All checks of the records of one model; ``decoded`` are their images.

    ``labels``: the classes of the version, in order. ``traffic``: counts of all requests of the
    same time; without them the share of rejected ones is estimated from the records, which must
    then hold those too.
    """
    seen = Seen(records, decoded)
    checks = (
        image_checks.unreadable(seen),
        image_checks.rejected(seen, traffic),
        image_checks.blank(seen, reference),
        image_checks.duplicates(seen, reference, spec),
        *image_checks.sizes(seen, reference),
        image_checks.polarity(seen, reference, spec),
        label_checks.imbalance(seen, reference, labels),
        label_checks.strangers(seen, labels),
        label_checks.conflicts(seen),
    )
    state, reason = _worst(checks)
    return QualityReport(
        state=state,
        reason=reason,
        records=len(records),
        images=len(decoded),
        labels=len(seen.labelled),
        checks=checks,
    )


def _worst(checks: Sequence[Check]) -> tuple[State, str]:
    worst: tuple[State, State] = ("alarm", "warn")
    for state in worst:
        found = [one.words for one in checks if one.state == state]
        if found:
            return state, " ".join(found)
    if all(one.state == "unknown" for one in checks):
        return "unknown", "There is nothing to look at."
    return "calm", "Nothing is wrong with the images and labels."
