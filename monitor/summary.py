"""One look, and the looks before it, as a person reads them in a terminal."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from monitor.advice import steps
from monitor.alarm import State
from monitor.document import reason
from monitor.findings import KINDS, Findings, Kind
from records.reports import ReportRow

STYLES: dict[State, str] = {
    "alarm": "bold white on red",
    "warn": "bold black on yellow",
    "calm": "bold green",
    "unknown": "bold",
}
_ASKED: dict[Kind, str] = {
    "drift": "Do the images still look as in training?",
    "accuracy": "Is the model still right?",
    "quality": "Are images and labels in order?",
}


def print_summary(console: Console, findings: Findings) -> None:
    """State, reason and next steps; fits 80 columns."""
    version = findings.subject.version
    gathered = findings.gathered
    console.print(
        Text.assemble(
            (version.tag, "bold"),
            f"  {moment(findings.start)} to {moment(findings.end)} UTC, "
            f"{len(gathered.records):,} predictions, {len(gathered):,} images",
        )
    )
    console.print(Text.assemble(_badge(findings.state), f" {findings.headline}"))
    if findings.since is not None:
        console.print(
            Text(f"        Since {moment(findings.since)} UTC. {findings.verdict.reason}")
        )
    console.print()
    for kind in KINDS:
        state = findings.states[kind]
        console.print(Text.assemble(_badge(state), f" {_ASKED[kind]}"))
        for line in said(findings, kind):
            console.print(Padding(Text(printable(line)), (0, 0, 0, 8)))
    console.print()
    console.print(Text("What to do", style="bold"))
    for number, step in enumerate(steps(findings), start=1):
        text = printable(step.text)
        console.print(Padding(Text(f"{number}. {text}"), (0, 0, 0, 0)))
        if step.command is not None:
            # Not wrapped: it is to be copied.
            console.print(Text(f"     {printable(step.command)}"), soft_wrap=True)


def said(findings: Findings, kind: Kind) -> Iterator[str]:
    """What one kind of report found, in sentences."""
    if kind == "drift":
        yield findings.drift.reason
    elif kind == "quality":
        yield findings.quality.reason
    else:
        if findings.accuracy.images or findings.harm.state == "unknown":
            since = findings.labels_since
            late = f" (labels since {moment(since)} UTC)" if since < findings.start else ""
            yield f"{findings.accuracy.reason.removesuffix('.')}{late}."
        if findings.harm.state != "unknown" or not findings.accuracy.images:
            yield f"Without labels: {findings.harm.reason}"


def one_line(findings: Findings) -> str:
    """For a log."""
    states = ", ".join(f"{kind} {state}" for kind, state in findings.states.items())
    evidence = findings.drift.evidence
    p_value = "" if evidence is None else f", p = {evidence:.2g}"
    why = reason(findings)
    return printable(
        f"{findings.subject.version.tag} {moment(findings.start)} to {moment(findings.end)} "
        f"{len(findings.gathered):,} images: {findings.state.upper()} ({states}{p_value})"
        f"{f' {why}' if why else ''}"
    )


def history_table(rows: Sequence[ReportRow], reasons: Sequence[str]) -> Table:
    """One row a report, in their order; ``reasons``: of each."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("UNTIL (UTC)", no_wrap=True)
    table.add_column("LENGTH", no_wrap=True, justify="right")
    for name in ("VERSION", "KIND", "STATE"):
        table.add_column(name, no_wrap=True)
    for name in ("IMAGES", "P"):
        table.add_column(name, no_wrap=True, justify="right")
    table.add_column("REASON", no_wrap=True, overflow="ellipsis")
    for row, why in zip(rows, reasons, strict=True):
        table.add_row(
            moment(row.window_end) if row.window_end else "-",
            length(row.window_start, row.window_end),
            printable(f"{row.model}:{row.version}"),
            row.kind,
            Text(row.state, style=STYLES[row.state]),
            f"{row.images:,}",
            "-" if row.p_value is None else f"{row.p_value:.2g}",
            Text(printable(why)),
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


def printable(text: str) -> str:
    """Control characters replaced, so that a label cannot move the cursor."""
    return "".join(character if character.isprintable() else "?" for character in text)


def _badge(state: State) -> tuple[str, str]:
    return f"{state.upper():^7}", STYLES[state]
