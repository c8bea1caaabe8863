"""One retraining of a model, from its reason to a saved candidate, in a process of its own.

It may be killed at any moment: whoever runs it again finds its row in the database, and the version
if that was saved, and goes on from there. Its version is a candidate: the present champion gets its
alias before, so that nothing answers that was not promoted.
"""

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from threading import Event
from typing import Final, Literal, Self

from errors import PipelineError, UnknownVersionError, first_line
from models.limits import free_bytes
from models.store import Store
from models.version import Version
from pipeline.data import without_images
from pipeline.lease import DURATION, HeldLease, renewed
from pipeline.order import Answer, Order, data_name
from records.audit import COMMAND_LINE
from records.champions import keep
from records.database import Database
from records.leases import holder
from records.retrainings import Retraining, Trigger, advance, begin, unfinished
from rollout.answering import answering
from settings import Settings
from train.fit import SearchPlan

ROOT: Final = Path(__file__).resolve().parent.parent
ATTEMPTS: Final = 3
"""Of a retraining whose process was killed: what fills the machine's memory does so again."""

_SHARE: Final = 0.75
_CLOCKS: Final = timedelta(minutes=5)
_POLL_SECONDS: Final = 0.5


@dataclass(frozen=True)
class Budget:
    """``seconds``: of one attempt; ``memory``: in bytes, by default 3/4 of what is free."""

    seconds: float = 3600.0
    memory: int | None = None

    @classmethod
    def of(cls, settings: Settings) -> Self:
        return cls(settings.retrain_seconds, settings.retrain_memory_bytes)


@dataclass(frozen=True)
class Wish:
    """What is not as it was with the champion."""

    recipe: str | None = None
    plan: SearchPlan | None = None
    accept_new_classes: bool = False


@dataclass(frozen=True)
class Outcome:
    """``busy``: another process is at it; ``waits``: an earlier retraining has not ended."""

    state: Literal["trained", "failed", "busy", "waits", "stopped"]
    reason: str
    retraining: Retraining | None = None

    @property
    def tag(self) -> str | None:
        """Of the candidate."""
        made = self.retraining
        return f"{made.model}:{made.challenger}" if made and made.challenger else None


def run(
    database: Database,
    store: Store,
    model: str,
    trigger: Trigger = "asked",
    reason: str = "asked for",
    *,
    wish: Wish | None = None,
    budget: Budget | None = None,
    actor: str = COMMAND_LINE,
    lease: timedelta = DURATION,
    stop: Event | None = None,
) -> Outcome:
    """Retrain a model, or go on with its retraining that was interrupted.

    ``stop``: once set, the outcome is ``stopped``, and whoever runs it next goes on.
    Raises UnknownVersionError without a champion, PipelineError if its training images are not
    here, and DatabaseError, after which it can be run again. What is wrong with the data or the
    training is the outcome ``failed``.
    """
    name = f"retraining {model}"
    with renewed(database, name, lease) as held:
        if held is None:
            other = holder(database, name)
            who = f"{other[0]}, until {other[1]:%H:%M:%S} UTC or longer" if other else "another"
            return Outcome("busy", f"{model} is being retrained by {who}.")
        champion = answering(database, store, model)
        if not store.training_images.kept(model, champion.version):
            # Before its alias is written: nothing will come of it.
            raise PipelineError(f"{without_images(champion)}.")
        current = _current(database, store, model, trigger)
        if current is not None and current.state != "training":
            text = f"Retraining {current.id} of {model} has not ended: it is {current.state}."
            return Outcome("waits", text, current)
        if current is not None and current.champion != champion.version:
            text = "the champion has changed since it began"
            advance(database, current.id, "failed", detail=text)
            current = None
        keep(database, model, champion.version, actor=actor)
        if current is None:
            current = begin(database, model, trigger, reason, champion.version)
        task = _Task(database, store, held, wish or Wish(), budget or Budget(), stop or Event())
        return _train(task, current)


def _current(database: Database, store: Store, model: str, trigger: Trigger) -> Retraining | None:
    """The retraining that has not ended, once what has become of it is noted."""
    one = unfinished(database, model)
    if one is not None and one.state == "training":
        made = _made(store, one)
        if made is None:
            return one
        one = advance(database, one.id, "trained", challenger=made.version)
    if one is not None and one.state in ("trained", "judged"):
        text = _superseded(store, one, trigger)
        if text is not None:
            advance(database, one.id, "refused", detail=text)
            return None
    return one


def _superseded(store: Store, one: Retraining, trigger: Trigger) -> str | None:
    """Why a candidate that waits for its judgement or rollout will get none; None if it may."""
    try:
        store.get(f"{one.model}:{one.challenger}")
    except UnknownVersionError:
        return "its version was deleted"
    # A person who asks for another has looked at this one; a trigger has not.
    return "another was asked for" if trigger == "asked" else None


def _made(store: Store, one: Retraining) -> Version | None:
    """The version of a retraining that was interrupted after it was saved."""
    for version in reversed(store.versions(one.model)):
        manifest = version.manifest
        if (
            manifest.data is not None
            and manifest.data.name == data_name(one.id)
            and manifest.parent == f"{one.model}:{one.champion}"
            # Another database, such as the one before this, counts from 1 too.
            and manifest.created_at > one.started_at - _CLOCKS
        ):
            return version
    return None


@dataclass(frozen=True)
class _Task:
    database: Database
    store: Store
    held: HeldLease
    wish: Wish
    budget: Budget
    stop: Event


def _train(task: _Task, current: Retraining) -> Outcome:
    database, store, wish, budget = task.database, task.store, task.wish, task.budget
    before = current.detail
    attempt = int(before.removeprefix("attempt ") or 0) + 1
    if attempt > ATTEMPTS:
        return _failed(database, current, f"It was interrupted {ATTEMPTS} times.")
    current = advance(database, current.id, "training", detail=f"attempt {attempt}")
    free = free_bytes()
    order = Order(
        database=database.url.render_as_string(hide_password=False),
        store=None if store.given is None else str(store.given),
        retraining=current.id,
        champion=f"{current.model}:{current.champion}",
        lease=task.held.name,
        owner=task.held.owner,
        recipe=wish.recipe,
        accept_new_classes=wish.accept_new_classes,
        plan=wish.plan,
        reason=f"{current.trigger}: {current.reason}",
        memory=budget.memory or (None if free is None else int(_SHARE * free)),
    )
    answer = _answer(order, task)
    if answer is None:
        # Whoever stops it in good order may do so as often as they like.
        current = advance(database, current.id, "training", detail=before)
        return Outcome(
            "stopped", f"Retraining {current.id} was stopped; it goes on later.", current
        )
    if answer.version is None:
        return _failed(database, current, answer.error or "")
    done = advance(database, current.id, "trained", challenger=answer.version, detail=answer.detail)
    return Outcome("trained", answer.detail, done)


def _failed(database: Database, current: Retraining, reason: str) -> Outcome:
    return Outcome("failed", reason, advance(database, current.id, "failed", detail=reason))


def _answer(order: Order, task: _Task) -> Answer | None:
    """What the process answers; None if it was stopped. Raises PipelineError if the lease is lost
    meanwhile, and ends the process then, and whenever this one is interrupted."""
    # A session of its own: Ctrl-C is for this process, which then ends that one.
    with subprocess.Popen(
        [sys.executable, "-m", "pipeline.child"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        try:
            return _wait(process, order, task)
        finally:
            if process.poll() is None:
                # With the workers of a search.
                os.killpg(process.pid, signal.SIGKILL)


def _wait(process: subprocess.Popen[bytes], order: Order, task: _Task) -> Answer | None:
    until = time.monotonic() + task.budget.seconds
    assert process.stdin is not None and process.stdout is not None  # noqa: S101, PT018 - pipes
    process.stdin.write(order.dump())
    process.stdin.flush()
    while process.poll() is None:
        if task.stop.is_set():
            return None
        if task.held.lost.is_set():
            raise PipelineError(
                f"Another process may have taken over retraining {order.retraining}, since the "
                "database could not be reached for long; run the command again."
            )
        if time.monotonic() > until:
            return Answer(error=f"It took more than {task.budget.seconds:g} s.")
        try:
            process.wait(_POLL_SECONDS)
        except subprocess.TimeoutExpired:
            continue
    output = process.stdout.read()
    try:
        return Answer.load(output)
    except (ValueError, TypeError) as error:
        text = first_line(error) if output else f"code {process.returncode}"
        return Answer(error=f"Its process ended without an answer: {text}.")
