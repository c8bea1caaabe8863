"""Twenty faults and one: what a client sees of each, and what whoever is called is told.

    python -m bench.faults [--only NAME] [--seconds 8]

For each, a server with two workers and modest clients, in a folder of its own. Needs root, for
mounts, control groups and users; PostgreSQL, promtool and libfaketime. What the machine does not
allow is a row that says so. Linux only.
"""

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click

from bench.fault_alerts import Scrape, Scrapes, firing
from bench.fault_cases import CASES, Case
from bench.fault_server import START_SECONDS, Server, told
from bench.fault_stage import CannotError, Databases, Stage, stage
from bench.machine import heading
from bench.process import ROOT

SETTLE_SECONDS = 3.0
RECOVER_SECONDS = 45.0
WELL_SECONDS = 2.0

HEAD = (
    "fault",
    "a client sees",
    "the log says",
    "exit code",
    "metrics that moved",
    "alerts, and when",
    "recovered after",
)

# Of all that a server tells, what a fault may move.
_WATCHED = (
    "pupila_requests_rejected_total",
    "pupila_worker_restarts_total",
    "pupila_records_dropped_total",
    "pupila_traffic_lost_total",
    "pupila_database_up",
    "pupila_rollout_missing_total",
    "pupila_versions_refused_total",
    "pupila_workers",
)
# The machine's own slowness, where others work on it.
_MACHINES = {"PupilaSlow"}
_NOTE = """\
Each server has two workers, the records in SQLite unless the fault is PostgreSQL's, and four
clients: three ask for predictions, one sends labels. An alert needs minutes, and a fault here lasts
for seconds; so `promtool` runs the real rules over scrapes of the real server, drawn out to half an
hour of the fault (`bench/fault_alerts.py`). In brackets: how urgent the alert is, and how many
minutes after the fault it fires. After a single event, such as one killed worker, all goes on as
before.

`PupilaSlow` is the machine's, which does other work, and no fault's. The clock is libfaketime's,
which lets fewer requests through, and some wait for seconds, even without a step of the clock.

"Recovered": from the end of the fault, or from a single event, until the server is ready, has all
workers, has written all that waited, and its clients get answers.
"""


@dataclass(frozen=True)
class Found:
    """What came of a case: the cells of its row, and the alerts that should have been or not."""

    cells: tuple[str, ...]
    wrong: str = ""


def play(case: Case, on: Stage, seconds: float) -> Found:
    steps = case.play(on)
    next(steps)
    server = on.server
    server.start()
    began = time.time()
    if not ready(server, case):
        return ended_at_start(case, server)
    server.clients.start()
    if not case.at_start:
        settle(server)
    first = server.scrape()
    time.sleep(SETTLE_SECONDS)
    before = server.scrape()
    seen = 0 if case.at_start else len([*server.lines()])
    if not case.at_start:
        began = time.time()
        next(steps)
    recovered = ""
    if case.lasts:
        server.code(seconds / 2)
        early = server.scrape()
        server.code(seconds / 2)
        late = server.scrape()
        next(steps, None)
    is_over = server.process.poll() is not None
    if not is_over:
        recovered = recover(server, since=time.time() if case.lasts else began)
    if not case.lasts:
        early = late = server.scrape()
    mended = time.time()
    lines = [*server.lines()][seen:]
    server.clients.stop()
    code = server.process.poll() if is_over else server.end()
    scrapes = Scrapes(first, before, early, late)
    alerts = firing(scrapes)
    answers = server.clients.counts(began, mended)
    cells = (
        f"{case.name}: {case.how}",
        ", ".join(f"{what} ×{count:,}" for what, count in answers.most_common()),
        "<br>".join(told(lines)) or "nothing",
        str(code) if is_over else ("–" if code == 0 else f"– (then {code} by SIGTERM)"),
        "<br>".join(moved(before, late)) or "none",
        "<br>".join(alerts) or "none",
        recovered,
    )
    return Found(cells, differing(case, alerts))


def ended_at_start(case: Case, server: Server) -> Found:
    code = server.process.poll()
    down = Scrape(time.time(), None)
    alerts = firing(Scrapes(down, down, down, Scrape(down.at + 1, None)))
    exit_code = "did not start, did not end" if code is None else str(code)
    cells = (
        f"{case.name}: {case.how}",
        "refused",
        "<br>".join(told([*server.lines()])) or "nothing",
        exit_code,
        "`up` 0",
        "<br>".join(alerts) or "none",
        "",
    )
    return Found(cells, differing(case, alerts))


def ready(server: Server, case: Case) -> bool:
    """Whether it answers at all, for a fault that is there from the start, or is well."""
    until = time.monotonic() + START_SECONDS
    path = "/livez" if case.at_start else "/readyz"
    while time.monotonic() < until and server.process.poll() is None:
        if server.get(path) is not None:
            return True
        time.sleep(0.2)
    return False


def settle(server: Server) -> None:
    until = time.monotonic() + START_SECONDS
    while not server.is_well():
        if time.monotonic() > until:
            raise CannotError("the server was not well before the fault")
        time.sleep(0.2)


def recover(server: Server, since: float) -> str:
    """Seconds until it is well, and stays it for a while."""
    last = well = time.time()
    while (now := time.time()) < since + RECOVER_SECONDS:
        if not server.is_well():
            last = time.time()
        well = time.time()
        if well - last >= WELL_SECONDS:
            return f"{max(last - since, 0):.1f} s"
        time.sleep(max(0.0, now + 0.2 - time.time()))
    return f"not within {RECOVER_SECONDS:.0f} s"


def moved(before: Scrape, after: Scrape) -> list[str]:
    return [*_moved(before, after)]


def _moved(before: Scrape, after: Scrape) -> Iterator[str]:
    if after.series is None:
        yield "`up` 0"
        return
    for name in _WATCHED:
        old, new = before.get(name), after.get(name)
        for labels, value in new.items():
            start = old.get(labels, 0.0)
            if name == "pupila_database_up" and not value:
                yield f"`{name}{labels}` 0"
            elif value != start:
                yield f"`{name}{labels}` {start:.0f} → {value:.0f}"
    failed: dict[str, float] = {}
    for labels, value in after.get("pupila_requests_total").items():
        status = labels.partition('status="')[2][:3]
        gained = value - before.get("pupila_requests_total").get(labels, 0.0)
        if status >= "400" and gained:
            failed[status] = failed.get(status, 0) + gained
    for status, gained in sorted(failed.items()):
        yield f'`pupila_requests_total{{status="{status}"}}` +{gained:.0f}'
    waiting = sum(after.get("pupila_records_waiting").values())
    current = sum(after.get("pupila_records_current_timestamp_seconds").values())
    if after.at - current > 3:
        stale = f"{after.at - current:.0f} s ago" if current else "0"
        yield f"`pupila_records_current_timestamp_seconds` {stale}, `…_waiting` {waiting:.0f}"
    alive = sum(after.get("pupila_worker_alive_timestamp_seconds").values())
    if alive and after.at - alive > 3:
        yield f"`pupila_worker_alive_timestamp_seconds` {after.at - alive:.0f} s ago"
    for what in ("key", "certificate"):
        for value in after.get(f"pupila_{what}_expiry_timestamp_seconds").values():
            yield f"`pupila_{what}_expiry_timestamp_seconds` in {(value - after.at) / 3600:.0f} h"


def differing(case: Case, alerts: list[str]) -> str:
    found = {alert.partition(" ")[0] for alert in alerts} - _MACHINES
    expected = {*case.alerts}
    missing, more = sorted(expected - found), sorted(found - expected - {*case.may})
    parts = [f"no {name}" for name in missing] + [f"{name} too" for name in more]
    return ", ".join(parts)


def row(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(cell.replace('|', '∣') for cell in cells)} |"


@click.command(context_settings={"show_default": True, "max_content_width": 100})
@click.option("--only", multiple=True, help="Such a fault, by its name; may be repeated.")
@click.option("--seconds", default=8.0, type=click.FloatRange(1), help="That a fault lasts.")
@click.option("--output", type=click.Path(path_type=Path), help="[default: bench/faults.md]")
def main(only: tuple[str, ...], seconds: float, output: Path | None) -> None:
    """What is seen of each fault."""
    unknown = {*only} - {case.name for case in CASES}
    if unknown:
        raise click.ClickException(f"no fault {unknown}; there are {[one.name for one in CASES]}")
    rows, wrong = [row(HEAD), row(("---",) * len(HEAD))], []
    with Databases() as databases:
        for case in [case for case in CASES if not only or case.name in only]:
            try:
                with stage(databases) as on:
                    found = play(case, on, seconds)
            except CannotError as error:
                cannot = f"cannot be had here: {error}"
                found = Found((f"{case.name}: {case.how}", cannot, *("",) * 5))
            rows.append(row(found.cells))
            click.echo(rows[-1])
            if found.wrong:
                wrong.append(f"{case.name}: {found.wrong}")
    if not only or output:
        title = heading("Faults", ["python -m bench.faults", *sys.argv[1:]])
        text = "\n".join([title, _NOTE, *rows, ""])
        (output or ROOT / "bench" / "faults.md").write_text(text, encoding="utf-8")
    if wrong:
        raise click.ClickException("; ".join(["not the alerts that were expected", *wrong]))


if __name__ == "__main__":
    main(prog_name="python -m bench.faults")
