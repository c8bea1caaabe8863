"""Windows that many tests read: inspected once, as an inspection is immutable."""

from collections.abc import Sequence

import pytest

from monitor.findings import Findings
from monitor.window.version import MonitoredVersion
from records.database import Database
from tests.monitor.production import HOUR, NOON, Production, give_labels, inspected, keep, turned


@pytest.fixture(scope="session")
def windows(
    production: Production,
    monitored: MonitoredVersion,
    tmp_path_factory: pytest.TempPathFactory,
) -> Sequence[Findings]:
    """A calm hour with labels, and two of turned images: the first warns, the second is an alarm.

    The request ids are such that a shell must not read them.
    """
    path = tmp_path_factory.mktemp("windows") / "records.db"
    findings = []
    with Database(f"sqlite:///{path}", create=True) as database:
        database.prepare()
        for hour, part in enumerate((1, 0, 2)):
            pixels = production.images(part)
            if hour:
                pixels = turned(pixels)
            at = NOON + hour * HOUR
            names = keep(database, production.version, pixels, at=at, prefix=f"'{hour}; rm -rf ")
            if not hour:
                give_labels(database, names, production.truth(part))
            findings.append(inspected(database, monitored, hour))
    return findings


@pytest.fixture
def calm(windows: Sequence[Findings]) -> Findings:
    return windows[0]


@pytest.fixture
def warning(windows: Sequence[Findings]) -> Findings:
    return windows[1]


@pytest.fixture
def alarm(windows: Sequence[Findings]) -> Findings:
    return windows[2]
