"""Moves a rollout on or back: by tests that may be looked at as often as one likes."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from math import exp, log
from typing import Any, Final, Literal

from rollout.martingale import log_evidence
from rollout.rule import GuardRule, next_share

LOADED_MINUTES: Final = 5.0
"""A worker looks for new versions every second, and loads one in seconds."""

What = Literal["stay", "next stage", "promote", "roll back", "give up"]


@dataclass(frozen=True)
class Side:
    """What one version did in this stage; ``slow``: requests that took longer than
    ``Evidence.usual``."""

    requests: int = 0
    failed: int = 0
    slow: int = 0


@dataclass(frozen=True)
class Change:
    """How many answers changed from one label, as JSON, to another."""

    before: str
    after: str
    count: int


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """All that a decision is taken from.

    ``share``: of the requests that the challenger answers, 0 in the shadow; ``minutes``: since this
    stage began; ``days``: since the rollout did. ``pairs``: images that both classified, of which
    ``differing`` got two labels. ``wins``, ``losses``: disagreements whose label was asked for and
    has come, on which the challenger alone or the champion alone was right; ``neither``: nor the
    other; ``asked``: still without a label. ``usual``: seconds that the champion rarely takes.
    ``stopped``: requests of its share that the champion answered because the challenger's breaker
    was open. ``lacking``: of ``workers``, those that do not have the challenger.
    """

    share: float = 0.0
    minutes: float = 0.0
    days: float = 0.0
    pairs: int = 0
    differing: int = 0
    changes: tuple[Change, ...] = ()
    wins: int = 0
    losses: int = 0
    neither: int = 0
    asked: int = 0
    champion: Side = field(default_factory=Side)
    challenger: Side = field(default_factory=Side)
    usual: float | None = None
    stopped: int = 0
    workers: int = 0
    lacking: int = 0

    @property
    def labels(self) -> int:
        return self.wins + self.losses + self.neither


@dataclass(frozen=True)
class Comparison:
    """One test: that a success is more probable than ``null``, at level ``alpha``."""

    name: str
    successes: int
    failures: int
    null: float
    alpha: float

    @property
    def log_evidence(self) -> float:
        """Needed: the logarithm of 1 / alpha."""
        if not 0 < self.null < 1:
            return 0.0
        return float(log_evidence(self.successes, self.failures, self.null))

    @property
    def evident(self) -> bool:
        return self.log_evidence >= -log(self.alpha)

    def numbers(self) -> dict[str, Any]:
        # JSON has no infinity.
        evidence = exp(min(self.log_evidence, 700.0))
        return asdict(self) | {"evidence": evidence, "needed": 1 / self.alpha}


@dataclass(frozen=True)
class GuardDecision:
    """``because``: a sentence for a person; ``share``: of the next stage; ``numbers``: the
    evidence, the rule, and every test with its threshold."""

    what: What
    because: str
    share: float | None
    numbers: Mapping[str, Any]


_FINAL: Final = {"promote": "promoted", "roll back": "rolled back", "give up": "given up"}


def judge(seen: Evidence, rule: GuardRule) -> GuardDecision:
    """What the evidence asks for. Harm comes first, then whether enough was seen."""
    tests = _tests(seen, rule)
    share = None
    what, because = _ended_by_harm(seen, tests)
    if what == "stay" and (hopeless := _hopeless(seen, rule)):
        what, because = "give up", hopeless
    if what == "stay":
        missing = _missing(seen, rule, tests)
        share = next_share(seen.share)
        if missing:
            what, because, share = "stay", missing, None
        elif share is not None:
            what, because = "next stage", _moved(seen, share)
        else:
            what, because = "promote", _promoted(seen, tests)
        if what != "stay" and seen.lacking:
            what, share = "stay", None
            because = f"{seen.lacking} of {seen.workers} workers do not have the challenger yet"
    numbers = {
        "evidence": asdict(seen),
        "rule": rule.as_dict(),
        "tests": [test.numbers() for test in tests.values()],
    }
    prefix = f"{_FINAL[what]}: " if what in _FINAL else ""
    return GuardDecision(what, prefix + because, share, numbers)


def _hopeless(seen: Evidence, rule: GuardRule) -> str:
    """Why there will be no evidence any more, for or against it; empty if there may be."""
    if seen.days >= rule.days:
        return f"nothing was decided within {rule.days:g} days"
    if seen.workers and seen.lacking == seen.workers and seen.minutes >= LOADED_MINUTES:
        return (
            f"none of the {seen.workers} workers could load it within {LOADED_MINUTES:g} minutes; "
            "their logs say why"
        )
    return ""


def _tests(seen: Evidence, rule: GuardRule) -> dict[str, Comparison]:
    """By name. A challenger that is an equal has each failure with the probability of its share."""
    challenger, champion = seen.challenger, seen.champion
    requests = challenger.requests + champion.requests
    # Clients that repeat an id can make the share that it really gets larger.
    share = max(seen.share, challenger.requests / requests if requests else 0.0)
    slower = rule.slower * share / (rule.slower * share + 1 - share)
    same = seen.pairs - seen.differing
    tests = (
        Comparison("gain", seen.wins, seen.losses, 0.5, rule.gain),
        Comparison("harm", seen.losses, seen.wins, 0.5, rule.harm),
        Comparison("failures", challenger.failed, champion.failed, share, rule.failures),
        Comparison("slow", challenger.slow, champion.slow, slower, rule.slow),
        # Ends nothing, so that the error budget has no part for it.
        Comparison("alike", same, seen.differing, 1 - rule.margin, rule.harm),
    )
    return {test.name: test for test in tests}


def _ended_by_harm(seen: Evidence, tests: Mapping[str, Comparison]) -> tuple[What, str]:
    challenger, champion = seen.challenger, seen.champion
    if tests["harm"].evident:
        return "roll back", f"{_of_disagreements(seen)} the champion was right on {seen.losses}"
    if tests["failures"].evident:
        return "roll back", (
            f"the challenger failed on {challenger.failed:,} of {challenger.requests:,} requests, "
            f"the champion on {champion.failed:,} of {champion.requests:,}"
        )
    if tests["slow"].evident and seen.usual is not None:
        return "roll back", (
            f"the challenger took longer than {1000 * seen.usual:g} ms for {challenger.slow:,} of "
            f"{challenger.requests:,} requests, the champion for {champion.slow:,} of "
            f"{champion.requests:,}"
        )
    if seen.stopped > challenger.requests:
        # From then on it gets no more requests, and there is no more evidence.
        return "roll back", (
            f"servers no longer ask it, since it failed or was late too often: of "
            f"{seen.stopped + challenger.requests:,} requests of its share, the champion answered "
            f"{seen.stopped:,}"
        )
    return "stay", ""


def _missing(seen: Evidence, rule: GuardRule, tests: Mapping[str, Comparison]) -> str:
    """What has to be seen before the rollout moves on; empty if nothing."""
    waiting = f"; {seen.asked:,} were asked for" if seen.asked else ""
    gain = tests["gain"].evident
    if seen.share == 0:
        if seen.pairs < rule.pairs:
            return f"{seen.pairs:,} of {rule.pairs:,} images were compared"
        if gain:
            return ""
        if seen.differing > rule.changed * seen.pairs:
            return (
                f"{seen.differing / seen.pairs:.0%} of the answers change, more than "
                f"{rule.changed:.0%}, so labels have to show a gain first{waiting}"
            )
        if not rule.gated and seen.labels < rule.labels and not tests["alike"].evident:
            return (
                f"{seen.labels:,} of {rule.labels:,} disagreements have a label, and the gate "
                f"did not pass it{waiting}"
            )
        return ""
    if seen.challenger.requests < rule.requests:
        return (
            f"the challenger got {seen.challenger.requests:,} of {rule.requests:,} requests with "
            f"its share of {seen.share:.0%}"
        )
    if seen.minutes < rule.minutes:
        return f"{seen.minutes:.0f} of {rule.minutes:g} minutes of this stage are over"
    if next_share(seen.share) is not None or gain:
        return ""
    if rule.enough_pairs and rule.enough_labels:
        if seen.pairs >= rule.enough_pairs and seen.labels >= rule.enough_labels:
            return ""
        return (
            f"{seen.pairs:,} of {rule.enough_pairs:,} images were compared and {seen.labels:,} of "
            f"{rule.enough_labels:,} disagreements have a label{waiting}"
        )
    return f"labels do not show a gain yet: {_counts(seen)}{waiting}"


def _moved(seen: Evidence, share: float) -> str:
    if seen.share == 0:
        done = f"{seen.pairs:,} images were compared in the shadow"
    else:
        done = f"it got {seen.challenger.requests:,} with {seen.share:.0%}"
    return f"the challenger gets {share:.0%} of the requests: {done}, without evidence of harm"


def _promoted(seen: Evidence, tests: Mapping[str, Comparison]) -> str:
    if tests["gain"].evident:
        return (
            f"{_of_disagreements(seen)} the challenger was right on {seen.wins}, and the champion "
            f"on {seen.losses}"
        )
    return (
        f"{seen.pairs:,} images were compared and {seen.labels:,} disagreements labelled, without "
        "evidence of harm"
    )


def _of_disagreements(seen: Evidence) -> str:
    return f"of {seen.labels:,} images where the two disagreed,"


def _counts(seen: Evidence) -> str:
    right = f"the challenger was right on {seen.wins}, the champion on {seen.losses}"
    return f"of {seen.labels:,}, {right}"
