"""Tells another program each decision and each end of a retraining, by a webhook: at least once.

The position is in the database. A lease sees to it that of several processes one tells. What is
not received is told again, and what comes after it waits, so that the order holds.
"""

import json
import math
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from errors import MonitorError
from monitor.report.webhook import post
from pipeline.lease import DURATION, owner_here
from records.database import Database
from records.leases import give_back, take
from records.notices import Notice, begin, told, untold
from records.retrainings import Retraining, State
from records.routing import Action, Decision

LEASE: Final = "webhook"
RETRY: Final = timedelta(minutes=1)
"""After a failure: each may cost the guard, which calls this, twice the webhook's time limit."""

_AT_ONCE: Final = 100
_SECONDS: Final = 10.0

_DECIDED: Final[Mapping[Action, str]] = {
    "found": "is the champion",
    "promote": "was promoted",
    "rollback": "is the champion again",
    "start": "is on trial",
    "stage": "goes on",
    "pause": "gets no requests for now",
    "resume": "goes on after a pause",
    "gain": "was promoted",
    "harm": "was rolled back",
    "abort": "is no longer on trial",
}
# How the guard begins its reasons (rollout.guard).
_SAID: Final = ("promoted: ", "rolled back: ", "given up: ")
_ENDED: Final[Mapping[State, str]] = {
    "done": "is over",
    "refused": "came to nothing",
    "failed": "failed",
}


def tell(
    database: Database, url: str, now: datetime | None = None, *, retry: timedelta = RETRY
) -> Iterator[str]:
    """POST what the webhook was not told yet, one by one; a line for a failure, none for success.

    The first time nothing is told: it begins with what comes then. After some seconds the rest is
    left for the next call; after a failure nothing is told for ``retry``, by nobody. Raises
    DatabaseError.
    """
    waiting = untold(database, _AT_ONCE)
    if waiting == []:
        return
    owner = owner_here()
    if not take(database, LEASE, owner, DURATION):
        return
    if waiting is None:
        begin(database, now or datetime.now(UTC))
    until = time.monotonic() + _SECONDS
    # Another may have told some of them before this process had the lease.
    for notice in untold(database, _AT_ONCE) or ():
        if time.monotonic() > until or not take(database, LEASE, owner, DURATION):
            break
        try:
            post(url, body(notice))
        except MonitorError as error:
            take(database, LEASE, owner, retry)
            yield f"{notice.kind} {notice.what.id} of {notice.what.model} was not told: {error}"
            return
        told(database, notice, now or datetime.now(UTC))
    give_back(database, LEASE, owner)


def body(notice: Notice) -> str:
    """What is sent: JSON; docs/loop.md has an example. ``text``: all in one line, for chats."""
    what = notice.what
    told_of = _decision(what) if isinstance(what, Decision) else _retraining(what)
    return json.dumps(
        {
            "text": _text(notice),
            "kind": notice.kind,
            "id": what.id,
            "at": notice.at.isoformat(),
            "model": what.model,
            "version": notice.version,
        }
        | told_of,
        allow_nan=False,
    )


def _decision(what: Decision) -> dict[str, Any]:
    return {
        "action": what.action,
        "actor": what.actor,
        "because": what.because,
        "before": what.before,
        "after": what.after,
        "rollout": what.rollout_id,
        "numbers": _finite(what.numbers),
    }


def _retraining(what: Retraining) -> dict[str, Any]:
    return {
        "action": what.state,
        "because": what.detail,
        "champion": what.champion,
        "trigger": what.trigger,
        "reason": what.reason,
        "began": what.started_at.isoformat(),
        "verdict": what.verdict_id,
        "rollout": what.rollout_id,
    }


def _text(notice: Notice) -> str:
    what = notice.what
    if isinstance(what, Decision):
        tag = f"{what.model}:{notice.version}" if notice.version else what.model
        if what.because.startswith(_SAID):
            return f"{tag} was {what.because}"
        return f"{tag} {_DECIDED[what.action]}: {what.because}"
    text = f"Retraining {what.id} of {what.model} {_ENDED[what.state]}"
    return f"{text}: {what.detail}" if what.detail else f"{text}."


def _finite(value: Any) -> Any:
    """As it is in JSON, which has no infinity: there it is null."""
    if isinstance(value, Mapping):
        return {name: _finite(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
