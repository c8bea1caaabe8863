"""What the owner of a model should do next, with a button for it."""

from collections.abc import Iterator
from typing import Final

from console.report import Report, Step
from console.server import Listing
from console.visit import Visit, link
from rollout.rule import GuardRule

_FRESH: Final = 100
"""Labels since the last training that make another one worth its time."""


def steps(
    visit: Visit, listing: Listing, report: Report | None, waiting: int, fresh: int, unseen: int
) -> list[Step]:
    """Most urgent first, at least one. ``waiting``: labels that were asked for; ``fresh``: that
    came since the champion was trained; ``unseen``: since the monitor looked."""
    return list(_steps(visit, listing, report, waiting, fresh, unseen)) or [
        Step(visit.words("Nothing. The monitor looks again by itself."))
    ]


def _faulty(report: Report) -> bool:
    """Changed images change the predicted classes too, which is not a second fault."""
    changed = report.state_of("drift") in ("warn", "alarm")
    return any(
        check.get("state") in ("warn", "alarm")
        and not (changed and check.get("name") == "class imbalance")
        for check in report.checks
    )


def _steps(
    visit: Visit, listing: Listing, report: Report | None, waiting: int, fresh: int, unseen: int
) -> Iterator[Step]:
    words = visit.words
    rollout = listing.rollout
    to_label = link("label", model=listing.name)
    if rollout is not None:
        yield Step(
            words("A better version is on trial: see how far it is, and what is missing."),
            words("See the rollout"),
            link("versions", model=listing.name) + "#rollout",
        )
    if report is None:
        yield Step(
            words("The monitor has not looked at this model yet."), words("Look now"), begins="look"
        )
    else:
        if unseen and (report.suspected or report.state_of("accuracy") == "unknown"):
            yield Step(
                words.count(
                    unseen,
                    "{n} label came since the monitor looked: see what it says now.",
                    "{n} labels came since the monitor looked: see what they say.",
                ),
                words("Look again now"),
                begins="look",
            )
        if _faulty(report):
            yield Step(
                words("Look at the images that were found: a client or a camera may be at fault."),
                words("See them"),
                link("data", model=listing.name) + "#findings",
            )
        unknown = report.state_of("accuracy") == "unknown"
        if report.suspected or unknown or report.state_of("drift") == "alarm":
            needed = words.number(GuardRule().labels)
            text = (
                words("Find out how often the model is right now: label the images that tell most.")
                if waiting or report.suspected
                else words(
                    "Label some images, {n} or more, or nobody knows how good the model is.",
                    n=needed,
                )
            )
            yield Step(text, words("Label"), to_label)
        if report.accuracy.get("state") in ("warn", "alarm") and rollout is None:
            yield Step(
                words(
                    "Train a new version on the new labels; it answers nobody before it was tried."
                ),
                words("Train"),
                begins="train",
            )
    if rollout is None and waiting and report is not None and not report.suspected:
        yield Step(
            words.count(waiting, "{n} image waits for a label.", "{n} images wait for a label."),
            words("Label"),
            to_label,
        )
    enough = visit.server.settings.retrain_new_labels or _FRESH
    worse = report is not None and report.accuracy.get("state") in ("warn", "alarm")
    if rollout is None and fresh >= enough and not worse:
        yield Step(
            words(
                "{n} labels came since the last training: a new version may be better.",
                n=words.number(fresh),
            ),
            words("Train"),
            begins="train",
        )
