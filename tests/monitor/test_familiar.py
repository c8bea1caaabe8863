"""Images of a window that the version does not know, and answers that it did not give."""

import numpy as np
import pytest

from monitor.familiar import look
from monitor.report.document import Document
from monitor.report.summary import sentences
from monitor.window.data import gather
from monitor.window.version import MonitoredVersion
from records.database import Database
from records.prediction import KeptPrediction
from records.windows import window
from records.writer import write
from tests.drawing import png
from tests.monitor.production import HOUR, NOON, Production, inspected, keep

NOISE = np.random.default_rng(0).integers(0, 256, (8, 8)).astype(np.uint8)


def again(database: Database, **changes: object) -> KeptPrediction:
    """A prediction of the window, changed."""
    (first, *_) = window(database, "watched")
    fields = {name: getattr(first, name) for name in KeptPrediction.__slots__}
    return KeptPrediction(**fields | {"request_id": "other", "image": png(NOISE)} | changes)


def test_images_like_the_training_are_known(
    production: Production, monitored: MonitoredVersion, database: Database
) -> None:
    keep(database, production.version, production.images(0))
    found = look(monitored, gather(database, monitored, NOON - HOUR, NOON))
    assert found.unknown is not None
    assert found.unknown < 0.05
    assert (found.usual, found.abstained) == (0.01, None)
    assert found.reason.endswith("of the images are not known (of those held out: 1%).")


def test_strange_images_count_by_their_weight(
    production: Production, monitored: MonitoredVersion, database: Database
) -> None:
    keep(database, production.version, production.images(0))
    many = len(production.images(0))
    write(database, [again(database, weight=float(many))], {})
    findings = inspected(database, monitored)
    assert findings.familiar.unknown == pytest.approx(0.5, abs=0.05)
    assert findings.familiar.reason in list(sentences(findings, "drift"))
    assert Document.of(findings, None).familiar == findings.familiar


def test_those_that_were_kept_for_being_unknown_are_left_out(
    production: Production, monitored: MonitoredVersion, database: Database
) -> None:
    keep(database, production.version, production.images(0))
    before = gather(database, monitored, NOON - HOUR, NOON)
    extra = [again(database, weight=None, known=False) for _ in range(50)]
    write(database, extra, {})
    after = gather(database, monitored, NOON - HOUR, NOON)
    assert len(after) == len(before)
    assert after.total == before.total
    assert len(window(database, "watched")) == len(before) + 50


def test_answers_that_were_null_are_told(
    production: Production, monitored: MonitoredVersion, database: Database
) -> None:
    keep(database, production.version, production.images(0))
    rows = [again(database, abstained=number < 3, weight=1.0) for number in range(4)]
    write(database, rows, {})
    found = look(monitored, gather(database, monitored, NOON - HOUR, NOON))
    assert found.abstained == 0.75
    assert found.reason.endswith("75% of the answers were null, as it abstains.")
