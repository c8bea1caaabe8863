"""The data of a retraining, and when the next one is due, as tables on the terminal."""

import json
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, get_args

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cli import printable
from labels import label_key
from models.manifest import Label
from monitor.phrasing import short
from records.retrainings import Retraining

# The history needs none of what trains: it would take three seconds to import.
if TYPE_CHECKING:
    from pipeline.data import TrainingData
    from pipeline.production import LeftOut
    from pipeline.triggers import Due

LISTED = 3


def print_data(console: Console, data: "TrainingData") -> None:
    """What would be trained on, by class; what it is judged by; what was left out, and why."""
    for line in summary(data):
        console.print(Text(line))
    console.print()
    console.print(_classes(console, data))
    if data.left_out:
        console.print()
        console.print(_left_out(console, data.left_out))


def summary(data: "TrainingData") -> list[str]:
    """Sentences, the most important first."""
    total, records = len(data.train), data.from_records
    first = f"To retrain {data.champion}: {total:,} images, {records:,} of them from "
    second = f"Judged by {len(data.frozen):,} images of the champion's own holdout and "
    lines = [
        f"{first}{data.records:,} labelled records.",
        f"{second}{len(data.production):,} of production, drawn at random.",
    ]
    if data.missing:
        lines.append(f"{data.missing:,} of the champion's training images are missing or damaged.")
    if data.new_classes:
        lines.append(f"Labels outside the champion's classes: {_new_classes(data)}.")
    if data.unchecked is not None:
        lines.append(f"Label errors were not looked for: {data.unchecked}.")
    return lines


def _new_classes(data: "TrainingData") -> str:
    def named(labels: Sequence[Label]) -> str:
        return ", ".join(f"{printable(str(one))} ({data.new_classes[one]:,})" for one in labels)

    if not data.accepted:
        return f"{named([*data.new_classes])}; to take them in, add --accept-new-classes"
    learned = {label_key(label) for label in data.train.labels}
    inside = [label for label in data.new_classes if label_key(label) in learned]
    outside = [label for label in data.new_classes if label_key(label) not in learned]
    parts = ((inside, "taken in"), (outside, "left out all the same"))
    return "; ".join(f"{named(labels)}, {how}" for labels, how in parts if labels)


def as_json(data: "TrainingData") -> str:
    """The same for other programs, with every image that was left out."""
    fields = {
        "champion": data.champion,
        "train": data.train.counts,
        "frozen": data.frozen.counts,
        "production": data.production.counts,
        "kept": data.kept,
        "missing": data.missing,
        "records": data.records,
        "from_records": data.from_records,
        "new_classes": {str(label): count for label, count in data.new_classes.items()},
        "left_out": [vars(one) for one in data.left_out],
    }
    return json.dumps(fields, indent=2)


def due_lines(due: "Due") -> list[str]:
    """A line for each trigger."""
    lines = [
        f"{check.trigger:<9} {'due' if check.due else 'no':<4} {check.reason}"
        for check in due.checks
    ]
    return [*lines, f"Not now: {due.waits}."] if due.waits else lines


def history_table(console: Console, rows: Sequence[Retraining]) -> Table:
    table = _table(console, "id", "model", "began (UTC)", "state", "trigger", "version", "detail")
    for one in rows:
        table.add_row(
            str(one.id),
            printable(one.model),
            f"{one.started_at:%Y-%m-%d %H:%M}",
            one.state,
            one.trigger,
            one.challenger or "",
            printable(one.detail),
        )
    return table


def _classes(console: Console, data: "TrainingData") -> Table:
    table = _table(console, "class", "train", "own holdout", "production", numbers=True)
    left: Counter[Label | None] = Counter(one.label for one in data.left_out)
    table.add_column("left out", justify="right", no_wrap=True)
    for label in data.train.labels:
        parts = (data.train, data.frozen, data.production)
        counts = (part.counts.get(str(label), 0) for part in parts)
        table.add_row(
            Text(printable(str(label))), *(f"{count:,}" for count in counts), f"{left[label]:,}"
        )
    return table


def _left_out(console: Console, left_out: Sequence["LeftOut"]) -> Table:
    from pipeline.production import Reason

    counts = Counter(one.reason for one in left_out)
    table = _table(console, "left out", "images", "such as")
    for reason in get_args(Reason):
        if counts[reason]:
            some = [_named(one) for one in left_out if one.reason == reason]
            more = ", …" if len(some) > LISTED else ""
            table.add_row(reason, f"{counts[reason]:,}", Text(", ".join(some[:LISTED]) + more))
    return table


def _named(one: "LeftOut") -> str:
    about = [short(one.label)] if one.label is not None else []
    about += [one.detail] if one.detail else []
    return printable(f"{short(one.image)} ({': '.join(about)})" if about else short(one.image))


def _table(console: Console, *names: str, numbers: bool = False) -> Table:
    table = Table(box=box.SIMPLE_HEAD if console.is_terminal else None, pad_edge=False)
    for index, name in enumerate(names):
        right = numbers and index > 0
        table.add_column(name, justify="right" if right else "left", no_wrap=right)
    return table
