"""Whether the images and labels of a window are fit for analysis and for training."""

from collections.abc import Sequence

from images.spec import ImageSpec
from models.manifest import Label
from models.reference import Reference
from monitor.frozen import Frozen
from monitor.quality import image_checks, label_checks
from monitor.quality.check import Check, CheckedWindow
from monitor.window.images import DecodedImages
from records.reports import State
from records.traffic import Traffic
from records.windows import Record


class QualityReport(Frozen):
    """All checks of one window. ``state``: the worst; ``reason``: the sentences of the checks in
    that state."""

    state: State
    reason: str
    records: int
    images: int
    labels: int
    checks: tuple[Check, ...]


def check_quality(
    records: Sequence[Record],
    decoded: DecodedImages,
    reference: Reference | None,
    spec: ImageSpec,
    labels: Sequence[Label],
    traffic: Sequence[Traffic] = (),
) -> QualityReport:
    """All checks of the records of one model; ``decoded``: their images.

    ``labels``: the classes of the version, in order. ``traffic``: counts of all requests of the
    same time; without them the proportion of rejected ones is estimated from the records, which
    must then include those.
    """
    window = CheckedWindow(records, decoded)
    checks = (
        image_checks.unreadable(window),
        image_checks.rejected(window, traffic),
        image_checks.blank(window, reference),
        image_checks.duplicates(window, reference, spec),
        *image_checks.sizes(window, reference),
        image_checks.polarity(window, reference, spec),
        label_checks.imbalance(window, reference, labels),
        label_checks.outside_classes(window, labels),
        label_checks.conflicts(window),
    )
    state, reason = _worst(checks)
    return QualityReport(
        state=state,
        reason=reason,
        records=len(records),
        images=len(decoded),
        labels=len(window.labelled),
        checks=checks,
    )


def _worst(checks: Sequence[Check]) -> tuple[State, str]:
    worst: tuple[State, State] = ("alarm", "warn")
    for state in worst:
        sentences = [check.words for check in checks if check.state == state]
        if sentences:
            return state, " ".join(sentences)
    if all(check.state == "unknown" for check in checks):
        return "unknown", "There is nothing to check."
    return "calm", "No problems with the images or labels."
