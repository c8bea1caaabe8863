"""Inspects every model again and again, each time the data since the last window."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from cli import printable
from errors import PupilaError, UnknownVersionError
from models.store import Store
from monitor.asking import asked
from monitor.findings import Findings
from monitor.inspection import inspect, inspected_windows
from monitor.report.delivery import Destinations, deliver, last_state, notify
from monitor.report.document import Document
from monitor.report.summary import one_line
from monitor.window.history import PastWindow
from monitor.window.version import MonitoredVersion
from records.database import Database
from records.windows import models

if TYPE_CHECKING:
    from monitor.report.page import Section

MAX_LENGTH = timedelta(days=7)
"""Of a window that waits for enough images, or that follows a time without a monitor."""
RETRY = timedelta(minutes=1)
"""After a failure, such as an unavailable database."""

_TOLERANCE = timedelta(seconds=1)


@dataclass
class Watcher:
    """``html``: a file for all models, or a folder for one each; ``model``: only this one.

    ``at_once``: look at each model when started, however short a time ago the last look was;
    ``per_week``: labels to ask for, see ``monitor.asking``, unless ``found`` does so;
    ``found``: told what each inspection found, before its line. ``alarm`` and ``failed``: whether
    the last inspections raised an alarm, or failed. ``inspecting``: the model that a line is about;
    ``waits``: whether it says that there is no such model yet.
    """

    database: Database
    store: Store
    every: timedelta
    model: str | None = None
    html: Path | None = None
    webhook: str | None = None
    found: Callable[[Findings], None] | None = None
    alarm: bool = False
    failed: bool = False
    inspecting: str | None = None
    waits: bool = False
    at_once: bool = False
    per_week: int = 0
    _undelivered: set[str] = field(default_factory=set)
    _missing: set[str] = field(default_factory=set)
    _looked: set[str] = field(default_factory=set)
    _versions: dict[str, MonitoredVersion] = field(default_factory=dict)
    _sections: "dict[str, Section]" = field(default_factory=dict)
    _due: datetime | None = None

    def inspect(self, now: datetime, *, early: bool = False) -> Iterator[str]:
        """Inspect each model that is due, or with ``early`` all of them; one line for each, and one
        for each failure."""
        self._due = now + self.every
        self.alarm = self.failed = False
        self.inspecting, self.waits = None, False
        try:
            self.database.check()
            names = [self.model] if self.model else [name for name in models(self.database) if name]
        except PupilaError as error:
            yield self._failure("No model was inspected", error, now)
            return
        for self.inspecting in names:
            name, self.waits = self.inspecting, False
            try:
                yield from self._inspect(name, now, early=early)
            except UnknownVersionError as error:
                # Only once: importing labels for a model that is yet to be trained is allowed.
                self.waits = name != self.model
                self.failed = self.failed or not self.waits
                if name not in self._missing:
                    self._missing.add(name)
                    yield printable(str(error))
            except PupilaError as error:
                yield self._failure(f"{name} was not inspected", error, now)

    def pause(self, now: datetime) -> float:
        """Seconds until the next inspection is due."""
        return max(0.0, ((self._due or now) - now).total_seconds())

    def _inspect(self, name: str, now: datetime, *, early: bool) -> Iterator[str]:
        monitored = self._champion(name)
        # A window that ends later, because of a wrong clock or run --until, would block the others.
        windows = inspected_windows(self.database, monitored)
        earlier = [window for window in windows if window.end <= now]
        due = max((window.end + self.every for window in earlier), default=now)
        # A monitor that is started again and again must not fill the history.
        first = self.at_once and name not in self._looked
        if first:
            due = max((window.end + RETRY for window in earlier), default=now)
        if not early and now < due - _TOLERANCE:
            self._wait_until(due)
            return
        self._looked.add(name)
        findings = inspect(self.database, monitored, next_start(earlier, now, self.every), now)
        try:
            findings = asked(self.database, findings, self.per_week)
        except PupilaError as error:
            yield self._failure(f"No labels of {name} were asked for", error, now)
        document = Document.of(findings, last_state(self.database, name))
        self.alarm = self.alarm or document.state == "alarm"
        if self.found is not None:
            self.found(findings)
        yield one_line(findings)
        to = Destinations(html=self.html, sections=self._sections)
        for failure in deliver(self.database, findings, document, to):
            self.failed = True
            yield printable(failure)
        # A night without images is not news.
        changed = document.state not in (document.before, "unknown")
        if self.webhook is not None and (changed or name in self._undelivered):
            yield from self._notify(document, self.webhook)

    def _notify(self, document: Document, url: str) -> Iterator[str]:
        self._undelivered.add(document.model)
        try:
            notify(document, url)
        except PupilaError as error:
            self.failed = True
            yield printable(str(error))
        else:
            self._undelivered.discard(document.model)

    def _champion(self, name: str) -> MonitoredVersion:
        """The reference is loaded again only when the champion has changed."""
        version = self.store.champion(name)
        monitored = self._versions.get(name)
        if monitored is None or monitored.version.tag != version.tag:
            monitored = self._versions[name] = MonitoredVersion.of(version)
        return monitored

    def _failure(self, what: str, error: PupilaError, now: datetime) -> str:
        self.failed = True
        self._wait_until(now + min(self.every, RETRY))
        return printable(f"{what}: {error}")

    def _wait_until(self, due: datetime) -> None:
        self._due = min(self._due or due, due)


def next_start(earlier: Sequence[PastWindow], now: datetime, every: timedelta) -> datetime:
    """The end of the last window that had enough images. One that had too few is inspected again
    with the data since; otherwise a model with few requests would never be judged."""
    complete = [window.end for window in earlier if not window.extensible]
    waiting = [window.start for window in earlier if window.extensible]
    start = max(complete) if complete else min(waiting, default=now - every)
    return max(start, now - max(every, MAX_LENGTH))
