"""The newest reports of the monitor in words, in the visitor's language, and what to do next."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple

from console.charts import Mark, Whisker
from console.language import Words
from records.reports import Kind, ReportRow, State

VIEWS: Final = {
    "outputs": "the predicted probabilities",
    "classes": "the predicted classes",
    "reconstruction": "the similarity to the training images",
    "statistics": "brightness, sharpness or position",
    "unusual images": "the number of unusual images",
}
CHECKS: Final = {
    "unreadable images": "Stored images that cannot be read",
    "rejected requests": "Requests that were rejected",
    "blank images": "Blank images",
    "near-duplicates": "Near-duplicates",
    "unusual sizes": "Images of an unusual size",
    "unusual shapes": "Images of an unusual shape",
    "wrong polarity": "Inverted images",
    "class imbalance": "Classes predicted more or less often than before",
    "labels outside the classes": "Labels outside the classes",
    "conflicting labels": "Labels that contradict each other",
}
STATES: Final[Mapping[State, str]] = {
    "calm": "all is well",
    "warn": "look at it",
    "alarm": "alarm",
    "unknown": "not known",
}


class Step(NamedTuple):
    """Something to do; its ``button`` leads to ``to``, or begins the job ``begins``."""

    text: str
    button: str = ""
    to: str = ""
    begins: str = ""


@dataclass(frozen=True)
class Finding:
    """One question that the monitor answers."""

    kind: Kind
    state: State
    question: str
    sentences: Sequence[str]


@dataclass(frozen=True)
class Report:
    """``shown``: ids of predictions whose images show a change most; ``faulty``: the same by
    check; ``start`` and ``end``: of the window."""

    version: str
    at: datetime
    start: datetime | None
    end: datetime | None
    state: State
    headline: str
    findings: Sequence[Finding]
    shown: Sequence[int]
    faulty: Mapping[str, Sequence[int]]
    checks: Sequence[Mapping[str, Any]]
    accuracy: Mapping[str, Any]
    drift: Mapping[str, Any]
    suspected: bool

    def state_of(self, kind: Kind) -> State:
        return next((one.state for one in self.findings if one.kind == kind), "unknown")


def newest(rows: Sequence[ReportRow], words: Words) -> Report | None:
    """From the newest report of each kind; None if there is none."""
    by_kind = {row.kind: row for row in reversed(rows)}
    if not by_kind:
        return None
    last = max(by_kind.values(), key=lambda row: row.at)
    bodies = {kind: body_of(row) for kind, row in by_kind.items()}
    drift, quality = bodies.get("drift", {}), bodies.get("quality", {})
    accuracy = _part(bodies.get("accuracy", {}), "accuracy")
    harm = _part(bodies.get("accuracy", {}), "harm")
    states: dict[Kind, State] = {kind: row.state for kind, row in by_kind.items()}
    suspected = harm.get("state") == "alarm" and accuracy.get("state") == "unknown"
    checks = [one for one in quality.get("checks", []) if isinstance(one, dict)]
    findings = [
        Finding(
            "drift",
            states.get("drift", "unknown"),
            words("Do the images look as before?"),
            _drift_words(drift, states.get("drift", "unknown"), words),
        ),
        Finding(
            "accuracy",
            states.get("accuracy", "unknown"),
            words("Is the model still right?"),
            _accuracy_words(accuracy, harm, words),
        ),
        Finding(
            "quality",
            states.get("quality", "unknown"),
            words("Are images and labels in order?"),
            _quality_words(checks, words),
        ),
    ]
    return Report(
        version=last.version,
        at=last.at,
        start=last.window_start,
        end=last.window_end,
        state=_worst(findings),
        headline=_headline(states, accuracy, suspected, words),
        findings=findings,
        shown=_ids(drift.get("shown")),
        faulty={str(name): _ids(ids) for name, ids in _part(quality, "shown").items() if _ids(ids)},
        checks=checks,
        accuracy=accuracy,
        drift=drift,
        suspected=suspected,
    )


def accuracies(rows: Sequence[ReportRow]) -> list[Whisker]:
    """What the accuracy was by each report that could say it, oldest first."""
    found = []
    for row in reversed(rows):
        value = _part(_part(body_of(row), "accuracy"), "accuracy")
        at = row.window_end
        if _part(body_of(row), "accuracy").get("state") == "unknown":
            continue
        if row.kind == "accuracy" and at is not None and {"value", "low", "high"} <= value.keys():
            found.append(Whisker(at, value["value"], value["low"], value["high"], row.state))
    return found


def changes(rows: Sequence[ReportRow]) -> list[Mark]:
    """By each drift report, how many of its views had changed, oldest first."""
    found = []
    for row in reversed(rows):
        body = body_of(row)
        if row.kind == "drift" and row.window_end is not None and body.get("evidence") is not None:
            found.append(Mark(row.window_end, len(_changed(body)), row.state))
    return found


def _changed(drift: Mapping[str, Any]) -> list[str]:
    """The names of the views that differ, by enough to matter."""
    threshold = drift.get("threshold") or 0.0
    return [
        view["name"]
        for view in drift.get("views", [])
        if view.get("name") in VIEWS
        and view.get("adjusted", 1.0) < threshold
        and view.get("effect", 0.0) >= view.get("minimum", 0.0)
    ]


def body_of(row: ReportRow) -> Mapping[str, Any]:
    """The body of a report; empty if it cannot be read."""
    try:
        found = json.loads(row.body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _part(body: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = body.get(name)
    return found if isinstance(found, dict) else {}


def _ids(found: Any) -> list[int]:
    return [one for one in found if isinstance(one, int)] if isinstance(found, list) else []


def _worst(findings: Sequence[Finding]) -> State:
    states = [one.state for one in findings]
    order: tuple[State, ...] = ("alarm", "warn", "unknown", "calm")
    return next((state for state in order if state in states), "unknown")


def _headline(
    states: Mapping[Kind, State], accuracy: Mapping[str, Any], suspected: bool, words: Words
) -> str:
    if suspected:
        return words("The model has probably become worse: labels will show.")
    if accuracy.get("state") == "alarm":
        return words("The model has become worse.")
    if states.get("drift") == "alarm":
        return words("The images have changed.")
    if accuracy.get("state") == "warn":
        return words("The model may have become worse for some classes.")
    if states.get("quality") in ("warn", "alarm"):
        return words("Some images or labels may be faulty.")
    if states.get("drift") == "warn":
        return words("The images of the last window look different.")
    if states.get("accuracy", "unknown") == "unknown":
        return words("No problem was found, but nobody knows how often the model is right.")
    return words("All is well.")


def _drift_words(drift: Mapping[str, Any], state: State, words: Words) -> list[str]:
    if drift.get("evidence") is None:
        return [words("There were too few images to compare, or nothing to compare them with.")]
    changed = [words(VIEWS[name]) for name in _changed(drift)]
    compared = words("{n} images were compared.", n=words.number(drift.get("images") or 0))
    if not changed:
        return [words("Images and predictions are like those of the validation."), compared]
    what = words("Changed: {what}.", what=", ".join(changed))
    chance = words("This may be chance: no other window looked like it.")
    return [what, *([chance] if state in ("calm", "warn") else []), compared]


def _accuracy_words(
    accuracy: Mapping[str, Any], harm: Mapping[str, Any], words: Words
) -> list[str]:
    found = []
    value = _part(accuracy, "accuracy")
    if value and accuracy.get("state") in ("calm", "warn", "alarm"):
        found.append(
            words(
                "Right on {p} of {n} labelled images (95% interval: {low} to {high}).",
                p=words.percent(value["value"]),
                n=words.number(accuracy["images"]),
                low=words.percent(value["low"]),
                high=words.percent(value["high"]),
            )
        )
        if accuracy.get("reference") is not None:
            before = words.percent(accuracy["reference"])
            found.append(words("At its validation it was {p}.", p=before))
        worse = [str(one["label"]) for one in accuracy.get("classes", []) if one.get("worse")]
        if worse:
            found.append(words("Worse than before: {what}.", what=", ".join(worse[:8])))
    else:
        few = words.number(accuracy.get("images") or 0)
        found.append(words("There are too few labels to say: {n} so far.", n=few))
    if harm.get("window") is not None and harm.get("state") == "alarm":
        found.append(
            words(
                "Copies of the model that were trained on half of its data disagree with it on {p} "
                "of the images, before it was {q}.",
                p=words.percent(harm["window"]),
                q=words.percent(harm.get("reference")),
            )
        )
    return found


def _quality_words(checks: Sequence[Mapping[str, Any]], words: Words) -> list[str]:
    found = [
        f"{words(CHECKS[check['name']])}: {words.percent(check.get('share'))}."
        for check in checks
        if check.get("state") in ("warn", "alarm") and check.get("name") in CHECKS
    ]
    return found or [words("Nothing was found.")]
