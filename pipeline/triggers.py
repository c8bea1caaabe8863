"""When a model is to be retrained, and why or why not.

Drift is no reason: of 20 shifts that alarmed, 15 cost 3 points of accuracy or less. Drift and
suspected harm ask for labels (``monitor.asking``); a drop that labels prove is a reason.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Self

import numpy as np

from labels import label_key
from models.reference import Reference
from models.store import Store
from models.version import Version
from monitor.phrasing import percent
from monitor.proportions import Proportion, difference
from pipeline.data import without_images
from records.database import Database
from records.labelled import labelled_since
from records.retrainings import Retraining, Trigger, retrainings
from records.windows import window
from rollout.answering import answering
from settings import Settings

WINDOW = timedelta(days=28)
"""Labels of older predictions say nothing about today."""
LEVEL = 0.99


@dataclass(frozen=True)
class TriggerRules:
    """``drop``: of the accuracy, as a proportion; ``random_labels``: fewer are not judged;
    ``interval``: between the starts of two retrainings. Without a number there is no such trigger.
    """

    drop: float = 0.05
    random_labels: int = 200
    new_labels: int | None = None
    age: timedelta | None = None
    interval: timedelta = timedelta(hours=24)

    @classmethod
    def of(cls, settings: Settings) -> Self:
        days = settings.retrain_age_days
        return cls(
            settings.retrain_drop,
            settings.retrain_random_labels,
            settings.retrain_new_labels,
            None if days is None else timedelta(days=days),
            timedelta(hours=settings.retrain_interval_hours),
        )


@dataclass(frozen=True)
class Check:
    """One trigger: whether it asks for a retraining, and the numbers in a sentence."""

    trigger: Trigger
    due: bool
    reason: str


@dataclass(frozen=True)
class Due:
    """Whether to retrain now. ``waits``: why not, whatever the checks say; ``interrupted``: a
    retraining that is to go on, whatever they say."""

    model: str
    champion: str
    checks: tuple[Check, ...]
    waits: str | None = None
    interrupted: Retraining | None = None

    @property
    def reason(self) -> tuple[Trigger, str] | None:
        """The first trigger that is due, and why; None if there is nothing to do now."""
        if self.interrupted is not None:
            return self.interrupted.trigger, self.interrupted.reason
        if self.waits is not None:
            return None
        return next(((one.trigger, one.reason) for one in self.checks if one.due), None)


def due(
    database: Database,
    store: Store,
    model: str,
    rules: TriggerRules | None = None,
    now: datetime | None = None,
) -> Due:
    """Whether a model is to be retrained now. Raises UnknownVersionError, ArtifactError and
    DatabaseError."""
    rules, now = rules or TriggerRules(), now or datetime.now(UTC)
    champion = answering(database, store, model)
    latest = next(iter(retrainings(database, model, limit=1)), None)
    before, right = _proportions(database, champion, _since(latest, now))
    since = champion.manifest.created_at if latest is None else latest.started_at
    checks = (
        accuracy(before, right, rules),
        new_labels(labelled_since(database, model, since), rules),
        age(now - champion.manifest.created_at, rules),
    )
    going_on = latest if latest is not None and latest.state == "training" else None
    why_not = waits(latest, now, rules)
    if not store.training_images.kept(model, champion.version):
        why_not, going_on = without_images(champion), None
    return Due(model, champion.version, checks, why_not, going_on)


def accuracy(before: Proportion | None, right: Proportion, rules: TriggerRules) -> Check:
    """Whether accuracy has dropped for certain, and by enough to matter.

    ``before``: the champion's accuracy on its reference; ``right``: on labelled images of
    production that were drawn at random. The lower bound of the drop is that of its 99 % interval
    (``monitor.proportions.difference``), as in the monitor.
    """
    if before is None or not before.size:
        return Check("accuracy", False, "the champion has no reference to compare with")
    if right.size < rules.random_labels:
        return Check(
            "accuracy",
            False,
            f"{right.size:.0f} labels of images drawn at random, at least {rules.random_labels} "
            "are needed",
        )
    lost = before.value - right.value
    low = difference(before, right, LEVEL)[0]
    text = (
        f"accuracy {percent(right.value)} on {right.size:.0f} images drawn at random, "
        f"{percent(before.value)} on the reference: a drop of {100 * lost:.1f} points, at least "
        f"{100 * low:.1f} (99% interval)"
    )
    if low > 0 and lost > rules.drop:
        return Check("accuracy", True, text)
    return Check("accuracy", False, f"{text}; {100 * rules.drop:g} for certain are a reason")


def new_labels(count: int, rules: TriggerRules) -> Check:
    """Whether enough labels have come since the champion, or the last retraining, was made."""
    if rules.new_labels is None:
        return Check("labels", False, f"{count:,} new labels; PUPILA_RETRAIN_NEW_LABELS is not set")
    return Check(
        "labels", count >= rules.new_labels, f"{count:,} new labels, of {rules.new_labels:,}"
    )


def age(old: timedelta, rules: TriggerRules) -> Check:
    """Whether the champion is older than it may be."""
    days = old / timedelta(days=1)
    if rules.age is None:
        return Check("age", False, f"{days:.1f} days old; PUPILA_RETRAIN_AGE_DAYS is not set")
    limit = rules.age / timedelta(days=1)
    return Check("age", old >= rules.age, f"{days:.1f} days old, of {limit:g}")


def waits(latest: Retraining | None, now: datetime, rules: TriggerRules) -> str | None:
    """Why nothing can begin now; None if it can."""
    if latest is None:
        return None
    if latest.ended_at is None:
        return f"retraining {latest.id} has not ended: it is {latest.state}"
    again = latest.started_at + rules.interval
    if now < again:
        return f"retraining {latest.id} began a short time ago; the next may {again:%Y-%m-%d %H:%M}"
    return None


def _since(latest: Retraining | None, now: datetime) -> datetime:
    """What an earlier retraining has seen is no reason for another."""
    start = now - WINDOW
    return start if latest is None else max(start, latest.started_at)


def _proportions(
    database: Database, champion: Version, since: datetime
) -> tuple[Proportion | None, Proportion]:
    """The champion's accuracy on its reference, and on images drawn at random since."""
    reference = Reference.load(champion.artifact)
    before = None
    if reference is not None and len(reference):
        before = Proportion.of(reference.probabilities.argmax(axis=1) == reference.labels)
    records = window(
        database,
        champion.name,
        version=champion.version,
        start=since,
        limit=None,
        labelled=True,
        with_images=False,
    )
    drawn = [one for one in records if one.drawn == "random" and one.truth is not None]
    right = np.array([label_key(one.truth) == label_key(one.label) for one in drawn], bool)
    weights = np.array([one.weight or 1.0 for one in drawn], np.float64)
    return before, Proportion.of(right, weights)
