"""One inspection, and the ones before it, as a person reads them in a terminal."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from rich.console import Console
from rich.table import Table
from rich.text import Text

from cli import counted, printable
from monitor.findings import KINDS, Findings
from monitor.phrasing import describe_p_value, p_text
from monitor.report.advice import steps
from monitor.report.document import context, reason
from records.reports import Kind, ReportRow, State

STYLES: dict[State, str] = {
    "alarm": "bold white on red",
    "warn": "bold black on yellow",
    "calm": "bold green",
    "unknown": "bold",
}
QUESTIONS: dict[Kind, str] = {
    "drift": "Do the images still look like the training data?",
    "accuracy": "Is the model still accurate?",
    "quality": "Are the images and labels valid?",
}
_INDENT = Text(" " * 8)


def print_summary(console: Console, findings: Findings) -> None:
    """State, reason and next steps; fits 80 columns."""
    data = findings.data
    console.print(
        Text.assemble(
            (findings.monitored.version.tag, "bold"),
            f"  {moment(findings.start)} to {moment(findings.end)} UTC, "
            f"{counted(data.total, 'prediction')}, {_images(findings)}",
        )
    )
    _print(console, _badge(findings.state), findings.headline)
    if findings.since is not None:
        since = f"Since {moment(findings.since)} UTC. {findings.verdict.reason}"
        _print(console, _INDENT, since)
    console.print()
    for kind in KINDS:
        state = findings.states[kind]
        _print(console, _badge(state), QUESTIONS[kind])
        for sentence in sentences(findings, kind):
            _print(console, _INDENT, printable(sentence))
    console.print()
    console.print(Text("What to do", style="bold"))
    for number, step in enumerate(steps(findings), start=1):
        _print(console, Text(f"{number}. "), printable(step.text))
        if step.command is not None:
            # Not wrapped, so that it can be copied.
            console.print(Text(f"     {printable(step.command)}"), soft_wrap=True)


def sentences(findings: Findings, kind: Kind) -> Iterator[str]:
    """What was found about one of the questions."""
    if kind == "drift":
        yield findings.drift.reason
        yield from context(findings)
        if findings.familiar.reason:
            yield findings.familiar.reason
    elif kind == "quality":
        yield findings.quality.reason
    else:
        measured = list(_measured(findings))
        without = list(_without_labels(findings))
        # What the state follows from comes first.
        first = findings.harm_suspected and findings.accuracy.state not in ("warn", "alarm")
        yield from [*without, *measured] if first else [*measured, *without]
        if findings.without_labels:
            yield findings.without_labels
        if findings.since and findings.harm.state == "calm" and not findings.judged_by_labels:
            yield "While the images are changed, this estimate can miss a drop in accuracy."


def _measured(findings: Findings) -> Iterator[str]:
    """The accuracy by labels."""
    if findings.accuracy.images or findings.harm.state == "unknown":
        since = findings.labels_since
        late = f" (labels since {moment(since)} UTC)" if since < findings.start else ""
        yield f"{findings.accuracy.reason.removesuffix('.')}{late}."


def _without_labels(findings: Findings) -> Iterator[str]:
    if findings.harm.state != "unknown" or not findings.accuracy.images:
        why = findings.harm.reason
        yield f"Without labels: {why[:1].lower()}{why[1:]}"


def one_line(findings: Findings) -> str:
    """For a log."""
    states = ", ".join(f"{kind} {state}" for kind, state in findings.states.items())
    drift = findings.drift
    p_value = "" if drift.evidence is None else f", {describe_p_value(drift.evidence)}"
    if drift.compared:
        p_value += f" of {drift.images:,} images"
    why = reason(findings)
    return printable(
        f"{findings.monitored.version.tag} {moment(findings.start)} to {moment(findings.end)} "
        f"{_images(findings)}: {findings.state.upper()} ({states}{p_value})"
        f"{f' {why}' if why else ''}"
    )


def history_table(rows: Sequence[ReportRow], reasons: Sequence[str], width: int) -> Table:
    """One row per report, in their order; ``reasons``: of each, cut to fit into ``width``."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    longest = max((len(f"{row.model}:{row.version}") for row in rows), default=0)
    columns = (
        ("UNTIL (UTC)", 16, False),
        ("LENGTH", 6, True),
        ("VERSION", max(longest, 7), False),
        ("KIND", 8, False),
        ("STATE", 7, False),
        ("IMAGES", 6, True),
        ("P", 7, True),
    )
    for name, size, right in columns:
        table.add_column(name, no_wrap=True, min_width=size, justify="right" if right else "left")
    table.add_column("REASON", no_wrap=True)
    rest = max(24, width - sum(size + 2 for _, size, _ in columns))
    for row, why in zip(rows, reasons, strict=True):
        text = Text(printable(why))
        text.truncate(rest, overflow="ellipsis")
        table.add_row(
            moment(row.window_end) if row.window_end else "-",
            length(row.window_start, row.window_end),
            printable(f"{row.model}:{row.version}"),
            row.kind,
            Text(row.state, style=STYLES[row.state]),
            f"{row.images:,}",
            "-" if row.p_value is None else p_text(row.p_value),
            text,
        )
    return table


def moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M}"


def length(start: datetime | None, end: datetime | None) -> str:
    """Of a window: ``45m``, ``1h`` or ``2d``."""
    if start is None or end is None:
        return "-"
    minutes = (end - start).total_seconds() / 60
    for unit, name in ((2 * 1440, "d"), (60, "h")):
        if minutes >= unit:
            return f"{minutes / min(unit, 1440):.3g}{name}"
    return f"{minutes:.0f}m"


def _images(findings: Findings) -> str:
    """How many were looked at: of many predictions a sample."""
    looked = "" if len(findings.data.records) == findings.data.total else " looked at"
    return f"{counted(len(findings.data), 'image')}{looked}"


def _print(console: Console, first: Text, text: str) -> None:
    """Wrapped next to ``first``, without trailing spaces, as the output is often pasted."""
    lines = Text(text).wrap(console, console.width - len(first))
    for line in lines:
        line.rstrip()
        console.print(Text.assemble(first, line))
        first = Text(" " * len(first))


def _badge(state: State) -> Text:
    return Text.assemble((f"{state.upper():^7}", STYLES[state]), " ")
