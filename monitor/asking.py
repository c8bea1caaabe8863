"""Which labels to ask for: some at random every week, and those that the monitor names.

A shift of a few images costs points of accuracy that no view and no half-data copy tells; only the
labels of a random sample do.
"""

import random
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from math import ceil

from models.version import Version
from monitor.findings import Findings
from records.database import Database
from records.labelled import asked_since, not_asked, open_requests
from records.requests import ask

WEEK = timedelta(days=7)
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Asked:
    """``new``: images whose label was asked for now; ``before``: already in these seven days;
    ``reason``: why these."""

    new: int
    before: int
    reason: str


def ask_random(
    database: Database, champion: Version, per_week: int, now: datetime | None = None
) -> Asked:
    """Ask for labels of images that the champion classified in the last seven days, drawn at
    random: ``per_week`` in any seven days, however often this runs, and a seventh of them in any
    one, or a shift on Tuesday would get none until the next week.

    They alone say how accurate it is: labels that somebody volunteers are mostly complaints.
    Raises DatabaseError.
    """
    now = now or datetime.now(UTC)
    start = now - WEEK
    before = asked_since(database, champion.name, "random", start)
    today = asked_since(database, champion.name, "random", now - DAY)
    wanted = max(0, min(per_week - before, ceil(per_week / WEEK.days) - today))
    ids = not_asked(database, champion.name, champion.version, start, now) if wanted else []
    # Not by a seed: who could foresee which images are drawn could avoid them.
    chosen = random.SystemRandom().sample(ids, min(wanted, len(ids)))
    return Asked(ask(database, chosen, "random"), before, "drawn at random")


def ask_named(
    database: Database, findings: Findings, per_week: int, now: datetime | None = None
) -> Asked:
    """Ask for the labels that tell whether an alarm is right: those that the monitor names, if the
    images have changed or harm is suspected. ``per_week`` in any seven days: an alarm may last for
    months. Raises DatabaseError."""
    reasons = []
    if findings.verdict.state == "alarm":
        reasons.append("the images have changed")
    if findings.harm.suspected:
        reasons.append("a drop in accuracy is suspected")
    if not reasons:
        return Asked(0, 0, "no alarm")
    start = (now or datetime.now(UTC)) - WEEK
    before = asked_since(database, findings.monitored.model, "monitor", start)
    ids = [findings.data.record(row).id for row in findings.harm.label_first]
    new = ask(database, ids[: max(0, per_week - before)], "monitor")
    return Asked(new, before, " and ".join(reasons))


def asked(database: Database, findings: Findings, per_week: int) -> Findings:
    """Ask for both; the findings with how many of those drawn at random have not come.
    Raises DatabaseError."""
    if per_week:
        ask_random(database, findings.monitored.version, per_week)
        ask_named(database, findings, per_week)
    waiting = open_requests(database, findings.monitored.model)
    return replace(findings, asked=sum(one.drawn == "random" for one in waiting))
