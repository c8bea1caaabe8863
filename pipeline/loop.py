"""The loop: inspect, ask for labels, retrain, judge, roll out, guard, with nobody watching.

Three tasks, each of which may run in a process of its own, anywhere and more than once: what was
done is in the database alone, and of two processes that would do the same, one does.
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, Final, get_args

from errors import PupilaError, UnknownVersionError
from models.store import Store
from monitor.asking import ask_named, ask_random
from monitor.findings import Findings
from monitor.watching import Watcher
from pipeline import candidate
from pipeline.event import Event, Task
from pipeline.lease import DURATION, renewed
from pipeline.notices import tell
from pipeline.retrain import Budget, Outcome, run
from pipeline.triggers import TriggerRules, due
from records.champions import routings
from records.database import Database
from records.retrainings import ENDED, Retraining, retrainings, unfinished
from records.windows import models
from rollout.step import steps
from settings import Settings

TASKS: Final[tuple[Task, ...]] = get_args(Task)


@dataclass
class Loop:
    """``every``: between two inspections of a model; ``model``: only this one; ``html``: as for the
    monitor; ``lease``: how long a crash keeps others from going on; ``stop``: ends it in good
    order."""

    database: Database
    store: Store
    settings: Settings
    every: timedelta = timedelta(hours=1)
    model: str | None = None
    html: Path | None = None
    lease: timedelta = DURATION
    stop: threading.Event = field(default_factory=threading.Event)
    _found: list[Findings] = field(default_factory=list)

    def turn(self, task: Task, *, early: bool = False) -> Iterator[Event]:
        """Do what there is to do now; ``early``: inspect models that were inspected already."""
        turns: Mapping[Task, Callable[[], Iterator[Event]]] = {
            "monitor": lambda: self._monitor(early=early),
            "retrain": self._retrain,
            "guard": self._guard,
        }
        try:
            self.database.check()
            yield from turns[task]()
        except PupilaError as error:
            yield _fault(task, None, error)

    @cached_property
    def _watcher(self) -> Watcher:
        store = Store(self.store.given, aliases=lambda: routings(self.database)[1] or {})
        url = self.settings.webhook_url
        return Watcher(
            self.database, store, self.every, self.model, self.html, url, self._found.append
        )

    def _monitor(self, *, early: bool) -> Iterator[Event]:
        watcher = self._watcher
        for line in watcher.inspect(datetime.now(UTC), early=early):
            if not self._found:
                what = "waits" if watcher.waits else "failed"
                yield Event("monitor", watcher.inspecting, what, line, fault=not watcher.waits)
                continue
            findings = self._found.pop()
            yield Event(
                "monitor", findings.monitored.model, "inspected", line, more=_seen(findings)
            )
            yield from self._ask(findings)

    def _ask(self, findings: Findings) -> Iterator[Event]:
        """Labels of a random sample say how accurate it is, and those of the images that the
        monitor names whether an alarm is right."""
        champion = findings.monitored.version
        try:
            for one in (
                ask_random(self.database, champion, self.settings.ask_per_week),
                ask_named(self.database, findings, self.settings.ask_per_week),
            ):
                if one.new:
                    text = f"{one.new:,} labels asked for: {one.reason}"
                    yield Event("monitor", champion.name, "asked", text, more={"asked": one.new})
        except PupilaError as error:
            yield _fault("monitor", champion.name, error)

    def _retrain(self) -> Iterator[Event]:
        names = [self.model] if self.model else self._models()
        for name in names:
            try:
                yield from self._go_on(name)
            except UnknownVersionError as error:
                # Labels for a model that is yet to be trained may be there before it is.
                yield Event("retrain", name, "waits", str(error), quiet=True)
            except PupilaError as error:
                yield _fault("retrain", name, error)
            if self.stop.is_set():
                return

    def _models(self) -> list[str]:
        known = set(filter(None, models(self.database)))
        return sorted(known | {one.model for one in retrainings(self.database, open_only=True)})

    def _go_on(self, model: str) -> Iterator[Event]:
        """As far as it goes now: from a reason to retrain to a rollout that has begun."""
        while not self.stop.is_set():
            current = unfinished(self.database, model)
            if current is None or current.state == "training":
                found = due(self.database, self.store, model, TriggerRules.of(self.settings))
                if found.reason is None:
                    text = found.waits or "; ".join(check.reason for check in found.checks)
                    yield Event("retrain", model, "not due", text, quiet=True)
                    return
                trigger, reason = found.reason
                yield Event("retrain", model, "begins", f"{trigger}: {reason}")
                outcome = run(
                    self.database,
                    self.store,
                    model,
                    trigger,
                    reason,
                    budget=Budget.of(self.settings),
                    actor=candidate.ACTOR,
                    lease=self.lease,
                    stop=self.stop,
                )
                if outcome.state != "waits":
                    yield _retrained(model, outcome)
                if outcome.state not in ("trained", "waits"):
                    return
            else:
                event = self._step(current)
                yield event
                if event.quiet or event.what in ENDED:
                    return

    def _step(self, current: Retraining) -> Event:
        model = current.model
        with renewed(self.database, f"retraining {model}", self.lease) as held:
            if held is None:
                return Event("retrain", model, "busy", "another process is at it", quiet=True)
            # As it is now that nobody else can change it.
            again = unfinished(self.database, model)
            if again is None or again.id != current.id or again.state == "training":
                return Event("retrain", model, "busy", "another process was at it", quiet=True)
            done = candidate.step(self.database, self.store, again, self.settings)
        state = done.retraining.state
        return Event(
            "retrain",
            model,
            state,
            done.because,
            fault=state == "failed",
            quiet=not done.moved,
            more=_numbers(done.retraining),
        )

    def _guard(self) -> Iterator[Event]:
        yield from self._steps()
        if (url := self.settings.webhook_url) is not None:
            for line in tell(self.database, url):
                yield Event("guard", None, "not told", line, fault=True)

    def _steps(self) -> Iterator[Event]:
        for step in steps(self.database, self.settings, self.model):
            rollout, decision = step.rollout, step.decision
            asked = f"; {step.asked:,} images were named to label first" if step.asked else ""
            yield Event(
                "guard",
                rollout.model,
                "changed meanwhile" if step.late else decision.what,
                f"{decision.because}{asked}",
                quiet=decision.what == "stay" and not step.asked,
                more={
                    "rollout": rollout.id,
                    "challenger": rollout.challenger,
                    "share": decision.share,
                    "numbers": decision.numbers,
                },
            )


def _fault(task: Task, model: str | None, error: PupilaError) -> Event:
    return Event(task, model, "failed", str(error), fault=True)


def _seen(findings: Findings) -> dict[str, Any]:
    return {
        "state": findings.verdict.state,
        "alarm": findings.state == "alarm",
        "harm": findings.harm.suspected,
        "version": findings.monitored.version.version,
    }


def _retrained(model: str, outcome: Outcome) -> Event:
    more = {} if outcome.retraining is None else _numbers(outcome.retraining)
    fault, quiet = outcome.state == "failed", outcome.state == "busy"
    return Event(
        "retrain", model, outcome.state, outcome.reason, fault=fault, quiet=quiet, more=more
    )


def _numbers(one: Retraining) -> dict[str, Any]:
    return {
        "retraining": one.id,
        "champion": one.champion,
        "challenger": one.challenger,
        "rollout": one.rollout_id,
    }
