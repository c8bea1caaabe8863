"""Where reports go besides the database: an HTML file, a webhook."""

import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from errors import MonitorError, PupilaError
from monitor.findings import Findings
from monitor.report.document import Document
from monitor.report.webhook import post
from monitor.storage import save_reports
from records.database import Database
from records.reports import State, history

if TYPE_CHECKING:
    from monitor.report.page import Section

MODEL = "{model}"

_MAX_INSPECTIONS = 200


@dataclass(frozen=True)
class Destinations:
    """Where to send each report besides the database.

    A path may be a folder, for one file per model; so may a name with ``{model}`` in it. A page
    that is a single file shows all models: ``sections`` has what it showed of each so far.
    """

    html: Path | None = None
    evidently: Path | None = None
    webhook: str | None = None
    sections: "dict[str, Section]" = field(default_factory=dict)

    def check(self, reports: int) -> None:
        """Raises MonitorError if several reports of Evidently's would be written to one file."""
        path = self.evidently
        if path is not None and reports > 1 and not (MODEL in path.name or is_folder(path)):
            raise MonitorError(
                f"There are {reports} models, but {path} is not a folder: create one, write "
                f"{MODEL} into the name, or choose a model with --model."
            )


def deliver(
    database: Database, findings: Findings, document: Document, to: Destinations
) -> list[str]:
    """Save the report and send it everywhere. Returns a sentence for each failure: one does not
    prevent the rest."""
    model = findings.monitored.model
    tasks: list[Callable[[], object]] = [lambda: save_reports(database, findings)]
    if (html := to.html) is not None:
        tasks.append(lambda: _write_page(findings, html, to.sections))
    if (evidently := to.evidently) is not None:
        name = f"{model}-evidently.html"
        tasks.append(lambda: _write_evidently(findings, _target(evidently, model, name)))
    if (url := to.webhook) is not None:
        tasks.append(lambda: notify(document, url))
    failures = []
    for task in tasks:
        try:
            task()
        except PupilaError as error:
            failures.append(str(error))
    return failures


def notify(document: Document, url: str) -> None:
    """POST the report. Raises MonitorError."""
    post(url, document.json_text())


def last_state(database: Database, model: str) -> State | None:
    """The last reported state of the model that was not unknown: its worst, or else that of its
    drift. None without one. Raises DatabaseError."""
    inspections: dict[datetime, dict[str, State]] = {}
    for row in history(database, model, limit=3 * _MAX_INSPECTIONS):
        inspections.setdefault(row.at, {})[row.kind] = row.state
    for states in inspections.values():
        worst: tuple[State, State] = ("alarm", "warn")
        state = next((bad for bad in worst if bad in states.values()), states.get("drift"))
        if state != "unknown":
            return state
    return None


def is_folder(path: Path) -> bool:
    """Raises MonitorError for a path that is not possible, such as one that is too long."""
    try:
        return path.is_dir()
    except OSError as error:
        raise MonitorError(f"{path} cannot be written: {error.strerror}.") from None


def write_file(path: Path, text: str) -> None:
    """Replace the file as a whole or, if that fails, leave it unchanged. Raises MonitorError."""
    try:
        if path.exists() and not path.is_file():
            # A device or a pipe would be replaced by a file.
            raise MonitorError(f"{path} cannot be written: it is not a regular file.")
        handle, part = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
            # Everyone who may read the folder may read the report.
            Path(part).chmod(0o644)
            Path(part).replace(path)
        except BaseException:
            Path(part).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise MonitorError(f"{path} cannot be written: {error.strerror or error}.") from None


def _target(path: Path, model: str, name: str) -> Path:
    """``path`` with the model's name or, if it is a folder, ``name`` in it."""
    named = path.with_name(path.name.replace(MODEL, model)) if MODEL in path.name else path
    return named / name if is_folder(named) else named


def _write_page(findings: Findings, path: Path, sections: "dict[str, Section]") -> None:
    from monitor.report.page import joined, section

    model = findings.monitored.model
    target = _target(path, model, f"{model}.html")
    sections[model] = section(findings)
    shown = sections.values() if target == path else [sections[model]]
    write_file(target, joined(list(shown)))


def _write_evidently(findings: Findings, path: Path) -> None:
    from monitor.report.evidently_page import render_evidently

    write_file(path, render_evidently(findings))
