"""Looks at every model again and again, each time at what has come since the last time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from errors import PupilaError, UnknownVersionError
from models.store import Store
from monitor.inspection import look, windows
from monitor.report.delivery import Outlets, deliver, last_state, notify
from monitor.report.document import Document, document
from monitor.report.summary import one_line, printable
from monitor.window.past import PastWindow
from monitor.window.version import MonitoredVersion
from records.database import Database
from records.windows import models

LONGEST = timedelta(days=7)
"""A window that waits for enough images, or for a monitor that was off, gets no longer."""
AGAIN = timedelta(minutes=1)
"""After a failure, such as a database that is away."""

_EARLY = timedelta(seconds=1)


@dataclass
class Watcher:
    """``html``: a file, or a folder for a file of each model; ``model``: that alone.

    ``alarm`` and ``failed``: whether there was one, or a failure, at the last look.
    """

    database: Database
    store: Store
    every: timedelta
    model: str | None = None
    html: Path | None = None
    webhook: str | None = None
    alarm: bool = False
    failed: bool = False
    _owed: set[str] = field(default_factory=set)
    _unknown: set[str] = field(default_factory=set)
    _subjects: dict[str, MonitoredVersion] = field(default_factory=dict)
    _due: datetime | None = None

    def look(self, now: datetime, *, early: bool = False) -> Iterator[str]:
        """Look at each model whose time has come, or ``early`` at all of them; one line for each,
        and for each failure."""
        self._due = now + self.every
        self.alarm = self.failed = False
        try:
            self.database.check()
            names = [self.model] if self.model else [one for one in models(self.database) if one]
        except PupilaError as error:
            yield self._failed("No model was looked at", error, now)
            return
        for name in names:
            try:
                yield from self._look(name, now, early=early)
            except UnknownVersionError as error:
                # Once: an import of labels for a model that is yet to be trained is no fault.
                if name not in self._unknown:
                    self._unknown.add(name)
                    yield printable(str(error))
            except PupilaError as error:
                yield self._failed(f"{name} was not looked at", error, now)

    def pause(self, now: datetime) -> float:
        """Seconds until there is something to look at."""
        return max(0.0, ((self._due or now) - now).total_seconds())

    def _look(self, name: str, now: datetime, *, early: bool) -> Iterator[str]:
        subject = self._subject(name)
        # One that ends later, by a wrong clock or by run --until, would be waited for.
        earlier = [one for one in windows(self.database, subject) if one.end <= now]
        due = max((one.end + self.every for one in earlier), default=now)
        if not early and now < due - _EARLY:
            self._next(due)
            return
        start = next_start(earlier, now, self.every)
        findings = look(self.database, subject, start, now)
        told = document(findings, last_state(self.database, name))
        self.alarm = self.alarm or told.state == "alarm"
        yield one_line(findings)
        for fault in deliver(self.database, findings, told, Outlets(html=self.html)):
            self.failed = True
            yield printable(fault)
        # A night without images is no news.
        news = told.state not in (told.before, "unknown") or name in self._owed
        if self.webhook is not None and news:
            yield from self._tell(told, self.webhook)

    def _tell(self, told: Document, url: str) -> Iterator[str]:
        self._owed.add(told.model)
        try:
            notify(told, url)
        except PupilaError as error:
            self.failed = True
            yield printable(str(error))
        else:
            self._owed.discard(told.model)

    def _subject(self, name: str) -> MonitoredVersion:
        """The champion; its reference is read again only when it is another version."""
        version = self.store.champion(name)
        known = self._subjects.get(name)
        if known is None or known.version.tag != version.tag:
            known = self._subjects[name] = MonitoredVersion.of(version)
        return known

    def _failed(self, what: str, error: PupilaError, now: datetime) -> str:
        self.failed = True
        self._next(now + min(self.every, AGAIN))
        return printable(f"{what}: {error}")

    def _next(self, due: datetime) -> None:
        self._due = min(self._due or due, due)


def next_start(earlier: Sequence[PastWindow], now: datetime, every: timedelta) -> datetime:
    """Where the last window ended that had enough images; one that had too few is looked at again,
    with what has come since, or a model with few requests would never be judged."""
    decided = [one.end for one in earlier if not one.grows]
    waiting = [one.start for one in earlier if one.grows]
    start = max(decided) if decided else min(waiting, default=now - every)
    return max(start, now - max(every, LONGEST))
