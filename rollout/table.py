"""Verdicts, rollouts and decisions as tables for a person."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from cli import counted, printable
from records.routing import Decision, Rollout
from rollout.verdict import Compared, GateVerdict, Measure
from sizes import size_text

if TYPE_CHECKING:
    from rollout.guard import GuardDecision

STYLES = {"passed": "bold green", "refused": "bold red", "too few images": "bold yellow"}
_MARKS = {"passed": "✓", "refused": "✗", "unknown": "?"}


def verdict_tables(verdict: GateVerdict, *, classes: int = 20) -> Iterator[Table | Text]:
    """The verdict, then a table for each holdout, the worst ``classes``, the costs, the checks."""
    yield Text(printable(verdict.because), style=STYLES[verdict.outcome])
    for note in verdict.notes:
        yield Text(f"Note: {printable(note)}.")
    for one in verdict.holdouts:
        yield _holdout(verdict, one)
        yield _classes(one, classes)
    yield _costs(verdict)
    checks = _table("", "CHECK", "")
    for check in verdict.checks:
        checks.add_row(_MARKS[check.state], printable(check.name), printable(check.because))
    yield checks


def _table(*columns: str, title: str | None = None) -> Table:
    table = Table(title=title, box=None, header_style="bold", pad_edge=False, title_justify="left")
    for column in columns:
        table.add_column(column)
    return table


def _holdout(verdict: GateVerdict, one: Compared) -> Table:
    of = "" if one.scenes is None else f" in {counted(one.scenes, 'scene')}"
    title = f"{one.images:,} images{of} of {one.name}"
    title += f" ({one.wins} only the challenger has right, {one.losses} only the champion)"
    if one.void is not None:
        title += ", which do not count"
    table = _table(
        "", verdict.champion, verdict.challenger, "DIFFERENCE", "95% INTERVAL", title=title
    )
    for measure in one.measures:
        table.add_row(*measure_cells(measure))
    return table


def measure_cells(measure: Measure) -> tuple[str, str, str, str, str]:
    """Name, champion, challenger, difference and its interval."""
    interval = "-"
    if measure.low is not None and measure.high is not None:
        interval = f"{measure.low:+.4f} to {measure.high:+.4f}"
    return (
        measure.name,
        number(measure.champion),
        number(measure.challenger),
        "-" if measure.difference is None else f"{measure.difference:+.4f}",
        interval,
    )


def number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _classes(one: Compared, most: int) -> Table:
    names = [measure.name for measure in one.classes[0].measures] if one.classes else []
    title = None
    if len(one.classes) > most:
        title = f"The {most} of {len(one.classes)} classes that lose most recall"
    columns = ("CLASS", "IMAGES", *(name.upper().replace(" RATE", "") for name in names))
    table = _table(*columns, title=title)
    for row in sorted(one.classes, key=lambda row: row.measures[1].difference or 0.0)[:most]:
        cells = (
            f"{number(m.challenger)} ({m.difference:+.3f})" if m.difference is not None else "-"
            for m in row.measures
        )
        table.add_row(printable(str(row.label)), f"{row.images:,}", *cells)
    return table


def cost_rows(verdict: GateVerdict) -> list[tuple[str, str, str]]:
    old, new = verdict.costs["champion"], verdict.costs["challenger"]
    memory = [size_text(one.memory) if one.memory is not None else "-" for one in (old, new)]
    return [
        ("milliseconds for an image", f"{old.latency_ms:.3f}", f"{new.latency_ms:.3f}"),
        ("size of the graph", size_text(old.size), size_text(new.size)),
        ("memory", memory[0], memory[1]),
    ]


def _costs(verdict: GateVerdict) -> Table:
    table = _table("", verdict.champion, verdict.challenger)
    for row in cost_rows(verdict):
        table.add_row(*row)
    return table


def status_table(rollout: Rollout, decision: "GuardDecision", now: datetime) -> Table:
    """Where a rollout is, and what its guard has seen."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold")
    table.add_column()
    seen = decision.numbers.get("evidence", {})
    stage = "paused" if rollout.paused else rollout.stage
    table.add_row("rollout", f"{rollout.id}: {rollout.model}:{rollout.challenger}")
    table.add_row("champion", f"{rollout.model}:{rollout.champion}")
    table.add_row("stage", f"{stage}, {rollout.share:.0%} of the requests")
    table.add_row("since", f"{rollout.stage_at:%Y-%m-%d %H:%M} UTC, {_ago(now - rollout.stage_at)}")
    if seen:
        table.add_row(
            "images compared",
            f"{seen['pairs']:,}, of which {seen['differing']:,} get another answer",
        )
        for change in seen["changes"]:
            table.add_row("", f"{change['count']:,} from {change['before']} to {change['after']}")
        table.add_row(
            "labels",
            f"the challenger right on {seen['wins']:,}, the champion on {seen['losses']:,}; "
            f"{seen['asked']:,} asked for",
        )
        for side in ("challenger", "champion"):
            numbers = seen[side]
            table.add_row(
                side,
                f"{numbers['requests']:,} requests, {numbers['failed']:,} failed, "
                f"{numbers['slow']:,} slow",
            )
    for test in decision.numbers.get("tests", ()):
        text = f"evidence {test['evidence']:.3g} of {test['needed']:.3g}"
        table.add_row(f"test: {test['name']}", text)
    table.add_row("the guard", printable(decision.because))
    return table


def _ago(age: object) -> str:
    return f"for {str(age).partition('.')[0]}"


def decisions_table(decisions: Sequence[Decision]) -> Table:
    table = _table("TIME (UTC)", "ROLLOUT", "MODEL", "WHAT", "BY", "BECAUSE")
    for one in decisions:
        table.add_row(
            f"{one.at:%Y-%m-%d %H:%M:%S}",
            "-" if one.rollout_id is None else str(one.rollout_id),
            one.model,
            one.action,
            printable(one.actor),
            printable(one.because),
        )
    return table
