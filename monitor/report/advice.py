"""What to do next, with the commands for it."""

import json
import shlex
from collections.abc import Iterator
from datetime import datetime

from pydantic import BaseModel, ConfigDict

from monitor.accuracy.harm import LABELS
from monitor.drift.detector import DriftSettings
from monitor.findings import Findings
from monitor.quality.check import CheckName
from records.reports import State
from settings import settings

HINTS: dict[CheckName, str] = {
    "unreadable images": "They were accepted, and what is kept of them is damaged: look at the "
    "disk and the database.",
    "rejected requests": "Look at what the clients send: python -m records export shows the reason "
    "that each of them was given.",
    "blank images": "Look for a camera that is covered or off, or a client that sends an empty "
    "crop.",
    "near-duplicates": "Look for a client that sends its images twice, or a camera that shows the "
    "same all the time; as training data they would count twice.",
    "unusual sizes": "Look for a client that sends thumbnails, or photographs that it used to "
    "crop.",
    "unusual shapes": "Look for a client that crops otherwise, or turns its images by a quarter.",
    "wrong polarity": "Look for a client that exchanges light and dark, and mend it there: the "
    "model was not trained on negatives.",
    "class imbalance": "Find out whether other things are photographed now, or the model takes one "
    "class for another: labels tell.",
    "labels outside the classes": "If they are right, the model needs these classes: train it on "
    "images of them too.",
    "conflicting labels": "Ask those who label to agree: a label that is disputed counts for "
    "nothing until then.",
}


class Step(BaseModel):
    """Something to do; ``command``: for a terminal, as it stands."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: str
    command: str | None = None


def steps(findings: Findings) -> tuple[Step, ...]:
    """What a person should do, the first thing first; where there is nothing, that."""
    found = tuple(_steps(findings))
    if found:
        return found
    return (Step(text="Nothing. To be told when there is, let this run:", command=_WATCH),)


_WATCH = "python -m monitor watch --every 1h"


def _steps(findings: Findings) -> Iterator[Step]:
    states = findings.states
    yield from _faults(findings, "alarm")
    if states["drift"] in ("warn", "alarm"):
        yield Step(
            text="Look at the example images. If a camera, a client or a crop has changed by "
            "mistake, mend it there: the next windows will be calm by themselves."
        )
    suspected = findings.harm.suspected and not findings.judged_by_labels
    if suspected or (states["drift"] == "alarm" and not findings.judged_by_labels):
        yield from _labelling(findings, suspected)
    if states["drift"] == "alarm" or findings.accuracy.state == "alarm" or suspected:
        yield from _training(findings)
    elif findings.accuracy.state == "warn":
        yield Step(
            text="Some classes are worse than they were: look at the table of accuracy, and get "
            "more labels of these classes before you act."
        )
    yield from _faults(findings, "warn")
    if states["drift"] == "unknown":
        yield from _more_data(findings)


def _faults(findings: Findings, state: State) -> Iterator[Step]:
    for one in findings.quality.checks:
        # Other classes are what comes of a change, and no fault beside it.
        follows = one.name == "class imbalance" and findings.since is not None
        if one.state == state and not follows:
            yield Step(text=f"{_capital(one.name)}: {one.words} {HINTS[one.name]}")


def _labelling(findings: Findings, suspected: bool) -> Iterator[Step]:
    why = (
        "Find out how right the model still is"
        if suspected
        else "A change is no harm yet. Find out whether the model is still right"
    )
    yield Step(
        text=f"{why}: say what about {LABELS} images really are, beginning with those that the "
        'report names under "Label these first" (--html shows them, --json lists all). The next '
        "report then has the accuracy. For each of them, with its true label:",
        command=_feedback(findings),
    )


def _feedback(findings: Findings) -> str:
    first = findings.harm.label_first[:1]
    request_id = findings.gathered.record(first[0]).request_id if first else "123"
    model = findings.subject.model
    body = {"request_id": request_id, "model": model, "label": findings.subject.labels[0]}
    url = f"http://localhost:{settings().port}/feedback/"
    return f"curl {url} -d {shlex.quote(json.dumps(body))}"


def _training(findings: Findings) -> Iterator[Step]:
    start, end = _moment(findings.since or findings.start), _moment(findings.end)
    yield Step(
        text="If the images will stay as they are now, the model has to learn them. Take them out, "
        "with their labels:",
        command=f"python -m records export since-the-change.parquet --model "
        f"{findings.subject.model} --since {start} --until {end}",
    )
    yield Step(
        text="Sort them into one folder for each class, add the images that the model was trained "
        "on before, and train the next version:",
        command=f"python -m train --data FOLDER --name {findings.subject.model}",
    )


def _more_data(findings: Findings) -> Iterator[Step]:
    least = DriftSettings().least
    name = findings.subject.model
    if findings.subject.reference is None:
        yield Step(
            text="Give the monitor some 500 labelled images that the model was not trained on, "
            "in one folder for each class:",
            command=f"python -m monitor run --model {name} --data FOLDER",
        )
    elif findings.drift.images < least:
        yield Step(
            text=f"There are {findings.drift.images} images, and {least} are needed: look further "
            "back, or wait. If the server keeps none, see PUPILA_RECORD in the README.",
            command=f"python -m monitor run --model {name} --since 7d",
        )
    else:
        known = findings.subject.version.manifest.data
        data = "digits" if known is not None and known.name == "digits" else "FOLDER"
        yield Step(
            text="Train on the same images with a larger holdout, so that there is more to compare "
            "with:",
            command=f"python -m train --data {data} --name {name} --holdout 0.3",
        )


def _moment(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S")


def _capital(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}"
