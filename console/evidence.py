"""What a rollout has seen so far, and what is still missing, in the visitor's language.

The guard decides, by ``rollout.guard``; it needs SciPy, which no server loads. Here its numbers are
read from the same records, and its test of a gain is computed by a sum that is exact for it.
"""

import math
import threading
from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from console.language import Words
from errors import RolloutError
from records import kinds, traffic
from records.database import Database
from records.pairs import LabelCounts, counts, judged
from records.routing import CHALLENGER, CHAMPION, Rollout
from rollout.rule import SHARES, GuardRule, next_share
from settings import Settings

_DAY: Final = timedelta(days=1)
_SETTLED: Final = timedelta(minutes=15)
# How often the challenger is right where two disagree, while nothing is known of it.
_HOPED: Final = 0.75
_MOST_LABELS: Final = 400

Totals = Mapping[tuple[str, str, str, str], int]


@dataclass(frozen=True)
class Evidence:
    """``stages``: the shares of the requests, 0 for the shadow, and where the rollout is among
    them; ``missing``: sentences; ``labels``: about how many more labels of disagreements would show
    a gain, None if it is shown or not in sight."""

    rollout: Rollout
    stages: Sequence[float]
    at: int
    pairs: int
    differing: int
    judged: LabelCounts
    asked: int
    requests: int
    failed: int
    missing: Sequence[str]
    labels: int | None


_known: dict[tuple[str, datetime, datetime], Totals] = {}
_lock: Final = threading.Lock()


def gather(database: Database, rollout: Rollout, settings: Settings, words: Words) -> Evidence:
    """Raises DatabaseError."""
    now = datetime.now(UTC)
    pairs, labels = counts(database, rollout.id), judged(database, rollout.id)
    whole = _totals(database, rollout.model, rollout.started_at, now)
    stage = _totals(database, rollout.model, rollout.stage_at, now)
    differing = max(pairs.differ, _of(whole, rollout, kinds.PAIR, kinds.DIFFER))
    compared = differing + max(pairs.same, _of(whole, rollout, kinds.PAIR, kinds.SAME))
    kind = kinds.PAIR if rollout.share == 0 else kinds.TRIAL
    keys = (
        (kinds.SAME, kinds.DIFFER, kinds.FAILED)
        if rollout.share == 0
        else (kinds.ANSWERED, kinds.SLOW, kinds.LATE, kinds.FAILED)
    )
    tried = {key: stage.get((rollout.challenger, CHALLENGER, kind, key), 0) for key in keys}
    if rollout.share == 0:
        tried = {key: _of(stage, rollout, kinds.PAIR, key) for key in keys}
    shares = (0.0, *SHARES)
    try:
        rule: GuardRule | None = GuardRule.kept(rollout.rule, settings)
    except RolloutError:
        rule = None
    missing, more = [], None
    if rule is not None:
        more = labels_needed(labels.wins, labels.losses, rule.gain)
        missing = _missing(
            words, rollout, rule, compared, differing, labels, sum(tried.values()), more, now
        )
    return Evidence(
        rollout=rollout,
        stages=shares,
        at=max((i for i, share in enumerate(shares) if share <= rollout.share), default=0),
        pairs=compared,
        differing=differing,
        judged=labels,
        asked=pairs.asked,
        requests=sum(tried.values()),
        failed=tried[kinds.FAILED],
        missing=missing,
        labels=more,
    )


def labels_needed(wins: int, losses: int, alpha: float) -> int | None:
    """About how many more labels of disagreements show that the challenger is better, if it goes on
    being right as often as it was; 0 if they show it, None if that is not in sight."""
    needed = -math.log(alpha)
    if log_evidence(wins, losses) >= needed:
        return 0
    rate = (wins + 3 * _HOPED) / (wins + losses + 3)

    def evident(more: int) -> bool:
        won = round(rate * more)
        return log_evidence(wins + won, losses + more - won) >= needed

    # Rounding aside, more labels are more evidence.
    more = 1 + bisect_left(range(1, _MOST_LABELS + 1), True, key=evident)
    return more if more <= _MOST_LABELS else None


def log_evidence(wins: int, losses: int) -> float:
    """As ``rollout.martingale.log_evidence`` for a null of 1/2: for whole numbers its incomplete
    beta function is the probability of at most ``wins`` heads in one toss more than there are."""
    tosses = wins + losses + 1
    heads = sum(math.comb(tosses, one) for one in range(wins + 1))
    beta = math.lgamma(wins + 1) + math.lgamma(losses + 1) - math.lgamma(tosses + 1)
    share = math.log(heads) - tosses * math.log(2)
    return beta + share + math.log(2) + (wins + losses) * math.log(2)


def _missing(
    words: Words,
    rollout: Rollout,
    rule: GuardRule,
    compared: int,
    differing: int,
    labels: LabelCounts,
    requests: int,
    more: int | None,
    now: datetime,
) -> list[str]:
    """What the guard waits for, as ``rollout.guard`` has it."""
    if rollout.paused:
        return [words("It is paused: nothing is decided.")]
    number = words.number
    given = labels.wins + labels.losses + labels.neither
    about = (
        words("about {n} more labels on disagreements would show it", n=number(more))
        if more
        else words("the labels so far show no gain")
    )
    found: list[str] = []
    if rollout.share == 0:
        if compared < rule.pairs:
            found.append(
                words("{n} of {m} images were compared.", n=number(compared), m=number(rule.pairs))
            )
            if more:
                found.append(words("A gain is not shown yet: {about}.", about=about))
        elif more == 0:
            pass
        elif differing > rule.changed * compared:
            share = words.percent(differing / compared, 0)
            found.append(
                words(
                    "{p} of the answers change, so labels have to show a gain first: {about}.",
                    p=share,
                    about=about,
                )
            )
        elif not rule.gated and given < rule.labels:
            found.append(
                words(
                    "{n} of {m} disagreements have a label, and the gate did not pass it.",
                    n=number(given),
                    m=number(rule.labels),
                )
            )
    else:
        if requests < rule.requests:
            found.append(
                words(
                    "The challenger answered {n} of {m} requests of this stage.",
                    n=number(requests),
                    m=number(rule.requests),
                )
            )
        minutes = (now - rollout.stage_at) / timedelta(minutes=1)
        if minutes < rule.minutes:
            found.append(
                words(
                    "{n} of {m} minutes of this stage are over.",
                    n=number(minutes),
                    m=number(rule.minutes),
                )
            )
        if next_share(rollout.share) is None and more != 0:
            enough = rule.enough_pairs and rule.enough_labels
            if not enough or compared < rule.enough_pairs or given < rule.enough_labels:
                found.append(words("A gain is not shown yet: {about}.", about=about))
    return found or [words("Nothing: the guard moves it on at its next look.")]


def _of(totals: Totals, rollout: Rollout, kind: str, key: str) -> int:
    sides = ((rollout.champion, CHAMPION), (rollout.challenger, CHALLENGER))
    return sum(totals.get((*side, kind, key), 0) for side in sides)


def _totals(database: Database, model: str, start: datetime, now: datetime) -> Totals:
    """Since the minute of ``start``; whole days that are over are added up once."""
    total: Counter[tuple[str, str, str, str]] = Counter()
    begin = start.replace(second=0, microsecond=0)
    while begin < now:
        end = begin + _DAY
        if end > now - _SETTLED:
            total.update(traffic.totals(database, model, begin))
            break
        key = (model, begin, end)
        with _lock:
            known = _known.get(key)
        if known is None:
            known = traffic.totals(database, model, begin, end)
            with _lock:
                if len(_known) > 200:
                    _known.clear()
                _known[key] = known
        total.update(known)
        begin = end
    return total
