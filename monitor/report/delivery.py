"""Where reports go besides the database: a page in a file, a webhook."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from errors import MonitorError, PupilaError
from monitor.findings import Findings
from monitor.inspection import keep
from monitor.report.document import Document
from monitor.report.files import is_folder, write_file
from monitor.report.webhook import post
from records.database import Database
from records.reports import State, history

_LOOKS = 200


@dataclass(frozen=True)
class Outlets:
    """Where to send each report besides the database; paths may be folders."""

    html: Path | None = None
    evidently: Path | None = None
    webhook: str | None = None

    def check(self, reports: int) -> None:
        """Raises MonitorError if several reports would go into one file."""
        for path in (self.html, self.evidently):
            if path is not None and reports > 1 and not is_folder(path):
                raise MonitorError(
                    f"There are {reports} models, and {path} is no folder: make it one, or choose "
                    "a model by --model."
                )


def deliver(database: Database, findings: Findings, told: Document, to: Outlets) -> list[str]:
    """Save the report and send it everywhere; a sentence for each of it that failed: what can be
    done is done all the same."""
    model = findings.subject.model
    tasks: list[Callable[[], object]] = [lambda: keep(database, findings)]
    if (html := to.html) is not None:
        tasks.append(lambda: write_page(findings, target(html, f"{model}.html")))
    if (evidently := to.evidently) is not None:
        from monitor.report.evidently_page import write_evidently

        name = f"{model}-evidently.html"
        tasks.append(lambda: write_evidently(findings, target(evidently, name)))
    if (url := to.webhook) is not None:
        tasks.append(lambda: notify(told, url))
    faults = []
    for task in tasks:
        try:
            task()
        except PupilaError as error:
            faults.append(str(error))
    return faults


def target(path: Path, name: str) -> Path:
    """``path`` itself or, in the folder that it is, ``name``."""
    return path / name if is_folder(path) else path


def write_page(findings: Findings, path: Path) -> None:
    """The HTML report; raises MonitorError if it cannot be written."""
    from monitor.report.page import render

    write_file(path, render(findings))


def notify(document: Document, url: str) -> None:
    """POST the report; raises MonitorError."""
    post(url, document.json_text())


def last_state(database: Database, model: str) -> State | None:
    """What was last reported of the model, but for windows that told nothing: its worst state, or
    else that of its drift."""
    looks: dict[datetime, dict[str, State]] = {}
    for row in history(database, model, limit=3 * _LOOKS):
        looks.setdefault(row.at, {})[row.kind] = row.state
    for states in looks.values():
        worst: tuple[State, State] = ("alarm", "warn")
        found = next((one for one in worst if one in states.values()), states.get("drift"))
        if found != "unknown":
            return found
    return None
