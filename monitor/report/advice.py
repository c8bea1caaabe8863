"""What to do next, with the commands for it."""

import json
import shlex
from collections.abc import Iterator
from datetime import datetime
from typing import Final

from models.remaking import training_command
from monitor.accuracy.harm import LABELS
from monitor.drift.detector import DriftSettings
from monitor.findings import Findings
from monitor.frozen import Frozen
from monitor.phrasing import capitalized
from monitor.quality.check import CheckName
from records.reports import State
from settings import settings

HINTS: dict[CheckName, str] = {
    "unreadable images": "They were accepted, but the stored copies are damaged: check the disk "
    "and the database.",
    "rejected requests": "Check what the clients send: python -m records export includes the "
    "reason for each rejection.",
    "blank images": "Check for a covered or disconnected camera, or a client that sends empty "
    "crops.",
    "near-duplicates": "Check for a client that sends images twice, or a camera whose view never "
    "changes; as training data, duplicates would count twice.",
    "unusual sizes": "Check for a client that sends thumbnails, or full photos that it used to "
    "crop.",
    "unusual shapes": "Check for a client that crops differently or rotates images by 90 degrees.",
    "wrong polarity": "Check for a client that inverts images, and fix it there: the model was not "
    "trained on negatives.",
    "class imbalance": "Find out whether different things are photographed now, or the model "
    "confuses two classes: labels will show.",
    "labels outside the classes": "If these labels are right, the model needs these classes: train "
    "it on images of them too.",
    "conflicting labels": "Ask the people who label to agree: a disputed label does not count "
    "until then.",
}

LARGER_HOLDOUT: Final = 0.3


class Step(Frozen):
    """Something to do; ``command``: complete, to paste into a terminal."""

    text: str
    command: str | None = None


def steps(findings: Findings) -> tuple[Step, ...]:
    """What a person should do, most urgent first; at least one step."""
    needed = tuple(_steps(findings))
    if needed:
        return needed
    return (Step(text="Nothing. To be notified of changes, keep this running:", command=_WATCH),)


_WATCH = "python -m monitor watch --every 1h"


def _steps(findings: Findings) -> Iterator[Step]:
    states = findings.states
    yield from _faults(findings, "alarm")
    if states["drift"] in ("warn", "alarm"):
        yield Step(
            text="Look at the example images. If a camera, a client or a crop was changed by "
            "mistake, fix it there; the next windows will then be calm again."
        )
    suspected = findings.harm_suspected
    if suspected or (states["drift"] == "alarm" and not findings.judged_by_labels):
        yield from _labelling(findings, suspected)
    if states["drift"] == "alarm" or findings.accuracy.state == "alarm" or suspected:
        yield from _training(findings)
    elif findings.accuracy.state == "warn":
        yield Step(
            text="Some classes have become worse: see the table of accuracy, and collect more "
            "labels for these classes before you act."
        )
    yield from _faults(findings, "warn")
    if findings.without_labels and states["accuracy"] == "unknown" and len(findings.data):
        yield from _sampling(findings)
    if states["drift"] == "unknown":
        yield from _more_data(findings)


def _faults(findings: Findings, state: State) -> Iterator[Step]:
    for check in findings.quality.checks:
        # Changed images change the predicted classes too, which is not a second fault.
        follows = check.name == "class imbalance" and findings.since is not None
        if check.state == state and not follows:
            yield Step(text=f"{capitalized(check.name)}: {check.words} {HINTS[check.name]}")


def _labelling(findings: Findings, suspected: bool) -> Iterator[Step]:
    why = (
        "Find out how accurate the model still is"
        if suspected
        else "Changed images need not harm accuracy. Find out whether they do"
    )
    yield Step(
        text=f'{why}: label about {LABELS} images, starting with those under "Label these first" '
        "(--html shows them, --json lists all of them). The next report will then include the "
        "accuracy. For each image, send its true label:",
        command=_feedback(findings),
    )


def _sampling(findings: Findings) -> Iterator[Step]:
    model = findings.monitored.model
    yield Step(
        text="Label some of the images, or nobody knows how accurate the model is: changes of a "
        "few images go unnoticed otherwise. Some drawn at random are asked for each day "
        "(PUPILA_ASK_PER_WEEK). To list those that wait:",
        command=f"python -m pipeline ask --model {model} --json",
    )


def _feedback(findings: Findings) -> str:
    first = findings.harm.label_first[:1]
    request_id = findings.data.record(first[0]).request_id if first else "123"
    monitored = findings.monitored
    body = {"request_id": request_id, "model": monitored.model, "label": monitored.labels[0]}
    url = f"http://localhost:{settings().port}/feedback/"
    return f"curl {url} -d {shlex.quote(json.dumps(body))}"


def _training(findings: Findings) -> Iterator[Step]:
    start, end = _moment(findings.since or findings.start), _moment(findings.end)
    model = findings.monitored.model
    yield Step(
        text="If the images will stay as they are now, the model has to learn them. Export them "
        "with their labels:",
        command=f"python -m records export since-the-change.parquet --model {model} "
        f"--since {start} --until {end}",
    )
    yield Step(
        text="Sort them into one folder per class, add the images that the model was trained on "
        "before, and train a new version:",
        command=training_command(findings.monitored.version.manifest),
    )


def _more_data(findings: Findings) -> Iterator[Step]:
    minimum = DriftSettings().min_images
    model = findings.monitored.model
    if findings.monitored.reference is None:
        yield Step(
            text="Provide about 500 labelled images that the model was not trained on, in one "
            "folder per class:",
            command=f"python -m monitor run --model {model} --data FOLDER",
        )
    elif (images := findings.drift.images) < minimum:
        recorded = findings.drift.given > images
        yield Step(
            text=f"There are {images} images{', after weighting' if recorded else ''}, but at "
            f"least {minimum} are needed: choose a longer window, or wait."
            + ("" if recorded else " If the server records none, check the setting PUPILA_RECORD."),
            command=f"python -m monitor run --model {model} --since 7d",
        )
    else:
        yield Step(
            text="Train on the same images with a larger holdout, so that the reference is large "
            "enough:",
            command=training_command(findings.monitored.version.manifest, LARGER_HOLDOUT),
        )


def _moment(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S")
