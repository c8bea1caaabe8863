"""What the database knows of a rollout, as the numbers that the guard judges."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from records import kinds, traffic
from records.database import Database
from records.pairs import counts, judged
from records.routing import CHALLENGER, CHAMPION, Rollout
from records.workers import alive
from rollout.guard import Change, Evidence, Side

Totals = Mapping[tuple[str, str, str, str], int]

_CHANGES: Final = 5
_DAY: Final = timedelta(days=1)

# Of the champion's requests, those that took longer than what is called usual: at most this part.
_RARE: Final = 0.05


def gather(database: Database, rollout: Rollout, now: datetime) -> Evidence:
    """Raises DatabaseError.

    Counts are kept by minute, so that those of a stage begin with the minute in which it began. A
    part of them may be of the stage before, in which the challenger had less, and which cannot
    make it look worse.
    """
    begun = _minute(rollout.stage_at)
    stage = traffic.totals(database, rollout.model, begun)
    whole = traffic.totals(database, rollout.model, _minute(rollout.started_at))
    # From before the stage: a threshold that is chosen by what it judges would not be fair.
    before = traffic.totals(database, rollout.model, begun - _DAY, begun)
    usual = _usual(_latencies(before, rollout.champion, CHAMPION))
    pairs = counts(database, rollout.id)
    labelled = judged(database, rollout.id)
    counted = _pairs(whole, rollout)
    differing = max(pairs.differ, counted[kinds.DIFFER])
    workers = alive(database)
    tag = f"{rollout.model}:{rollout.challenger}"
    return Evidence(
        share=rollout.share,
        minutes=(now - rollout.stage_at) / timedelta(minutes=1),
        days=(now - rollout.started_at) / _DAY,
        # What is kept is a sample of what is counted; a server may keep and not count yet.
        pairs=differing + max(pairs.same, counted[kinds.SAME]),
        differing=differing,
        changes=_changes(whole, rollout),
        wins=labelled.wins,
        losses=labelled.losses,
        neither=labelled.neither,
        asked=pairs.asked,
        champion=_champion(stage, rollout, usual),
        challenger=_challenger(stage, rollout, usual),
        usual=usual,
        stopped=_count(stage, rollout.challenger, CHALLENGER, kinds.TRIAL, kinds.STOPPED),
        workers=len(workers),
        lacking=sum(tag not in worker.versions for worker in workers),
    )


def _minute(moment: datetime) -> datetime:
    return moment.replace(second=0, microsecond=0)


def _count(totals: Totals, version: str, role: str, kind: str, key: str) -> int:
    return totals.get((version, role, kind, key), 0)


def _pairs(totals: Totals, rollout: Rollout) -> dict[str, int]:
    sides = ((rollout.champion, CHAMPION), (rollout.challenger, CHALLENGER))
    return {
        key: sum(_count(totals, *side, kinds.PAIR, key) for side in sides)
        for key in (kinds.SAME, kinds.DIFFER, kinds.FAILED)
    }


def _changes(totals: Totals, rollout: Rollout) -> tuple[Change, ...]:
    found: dict[str, int] = {}
    for (version, _, kind, key), count in totals.items():
        if kind == kinds.CHANGE and version in (rollout.champion, rollout.challenger):
            found[key] = found.get(key, 0) + count
    most = sorted(found.items(), key=lambda item: (-item[1], item[0]))[:_CHANGES]
    return tuple(Change(*kinds.changed(key), count) for key, count in most)


def _champion(totals: Totals, rollout: Rollout, usual: float | None) -> Side:
    """Without the requests that it answered since the challenger was late: they were slow because
    of that."""
    failed = _count(totals, rollout.champion, CHAMPION, "status", "500")
    answered = _count(totals, rollout.champion, CHAMPION, "status", "200")
    late = _count(totals, rollout.challenger, CHALLENGER, kinds.TRIAL, kinds.LATE)
    slow = _slower(_latencies(totals, rollout.champion, CHAMPION), usual)
    return Side(answered + failed, failed, max(0, slow - late))


def _challenger(totals: Totals, rollout: Rollout, usual: float | None) -> Side:
    """Its trials; in the shadow, what it made of images that the champion had answered."""
    shadow = rollout.share == 0
    kind = kinds.PAIR if shadow else kinds.TRIAL
    pair = (kinds.SAME, kinds.DIFFER, kinds.FAILED)
    trial = (kinds.ANSWERED, kinds.SLOW, kinds.LATE, kinds.FAILED)
    tried = {
        key: _count(totals, rollout.challenger, CHALLENGER, kind, key)
        for key in (pair if shadow else trial)
    }
    requests, failed = sum(tried.values()), tried[kinds.FAILED]
    if shadow:
        return Side(requests, failed)
    slow = _slower(_latencies(totals, rollout.challenger, CHALLENGER), usual)
    return Side(requests, failed, slow + tried[kinds.LATE])


def _latencies(totals: Totals, version: str, role: str) -> dict[float, int]:
    """Requests by the upper bound of their bucket in seconds."""
    return {
        float(key): count
        for (one, its_role, kind, key), count in totals.items()
        if one == version and its_role == role and kind == "latency"
    }


def _usual(latencies: Mapping[float, int]) -> float | None:
    """The smallest bound that is rarely exceeded; None without any requests."""
    over = sum(latencies.values())
    rare = _RARE * over
    for bound, count in sorted(latencies.items()):
        over -= count
        if over <= rare:
            return None if bound == float("inf") else bound
    return None


def _slower(latencies: Mapping[float, int], usual: float | None) -> int:
    if usual is None:
        return 0
    return sum(count for bound, count in latencies.items() if bound > usual)
