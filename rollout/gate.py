"""Judges a challenger against the champion, on the same images of both holdouts."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from cli import counted
from models.store import Store
from models.version import Version
from records.database import Database
from records.verdicts import Outcome
from rollout import holdouts
from rollout.costs import costs
from rollout.holdouts import Classes, Holdout
from rollout.measures import compare
from rollout.verdict import Check, Compared, Cost, GateRule, GateVerdict, State
from settings import Settings

# A graph that is three times slower and takes 0.03 ms keeps nobody waiting.
_MILLISECONDS = 0.1
# Of memory: about what two processes with the same version differ by.
_BYTES = 64 * 2**20


def rule_of(settings: Settings) -> GateRule:
    return GateRule(
        margin=settings.gate_margin,
        recall=settings.gate_recall,
        slower=settings.gate_slower,
        larger=settings.gate_larger,
        better=settings.gate_better,
    )


def gate(
    champion: Version,
    challenger: Version,
    rule: GateRule,
    database: Database | None = None,
    store: Store | None = None,
) -> GateVerdict:
    """Compare two versions on the champion's holdout and, with a database, on production's newest
    labels. ``store``: as in ``holdouts.production``. Raises ModelError and DatabaseError."""
    notes: list[str] = []
    found: list[Holdout] = []
    reference = holdouts.frozen(champion, challenger)
    if isinstance(reference, Holdout):
        found.append(reference)
        if reference.void is not None:
            notes.append(reference.void)
    else:
        notes.append(reference)
    if database is not None:
        found.append(holdouts.production(database, champion, challenger, store))
    return judge(champion, challenger, [one for one in found if len(one)], rule, notes)


def judge(
    champion: Version,
    challenger: Version,
    images: Sequence[Holdout],
    rule: GateRule,
    notes: Sequence[str] = (),
) -> GateVerdict:
    """The verdict on holdouts that are given."""
    runtimes = champion.artifact.open(), challenger.artifact.open()
    compared = []
    for holdout in images:
        classes = Classes(champion.manifest.labels, challenger.manifest.labels, holdout.truth)
        truth = classes.indices(holdout.truth)
        one = compare(
            holdout.name,
            classes.labels,
            truth,
            holdout.weights,
            holdouts.answers(champion, runtimes[0], holdout.champion, truth, classes),
            holdouts.answers(challenger, runtimes[1], holdout.challenger, truth, classes),
            scenes=holdout.scenes,
        )
        compared.append(one.model_copy(update={"void": holdout.void}))
    old, new = costs((champion, challenger), runtimes)
    checks = (*verdict_checks(compared, rule), _slower(old, new, rule), _larger(old, new, rule))
    outcome, because = outcome_of(checks)
    return GateVerdict(
        at=datetime.now(UTC),
        model=champion.name,
        champion=champion.tag,
        challenger=challenger.tag,
        outcome=outcome,
        because=because,
        checks=checks,
        holdouts=tuple(compared),
        costs={"champion": old, "challenger": new},
        notes=tuple(notes),
        rule=rule,
    )


def verdict_checks(compared: Sequence[Compared], rule: GateRule) -> tuple[Check, ...]:
    """What the images say: of each holdout, its accuracy and its classes.

    A challenger that is the champion's equal is refused with the probability ``rule.alpha`` at
    most: half of it is for accuracy, half for the classes, in equal parts for all tests.
    """
    valid = [one for one in compared if one.void is None]
    tests = sum(len(one.classes) for one in valid)
    proving = [one for one in valid if one.independent >= rule.least]
    checks: list[Check] = []
    for one in valid:
        checks.append(_accuracy(one, rule, rule.alpha / 2 / len(valid), proof=one in proving))
        checks.extend(_classes(one, rule, rule.alpha / 2 / max(tests, 1)))
    if not proving:
        what = "images" if all(one.scenes is None for one in valid) else "scenes"
        few = f"no holdout has enough {what} that the challenger was not trained on"
        needed = f"{few}: {rule.least} are needed"
        checks.append(Check(name="images", state="unknown", because=needed))
    elif rule.better:
        checks.append(_better(proving[-1]))
    return tuple(checks)


def _accuracy(one: Compared, rule: GateRule, alpha: float, *, proof: bool) -> Check:
    name = f"accuracy on {one.name}"
    of = "" if one.scenes is None else f" ({counted(one.scenes, 'scene')})"
    text = (
        f"on {one.images:,} images of {one.name}{of}, accuracy is {_points(one.difference())} "
        f"points from the champion's (95% interval {_points(one.low)} to {_points(one.high)}), "
        f"and the margin is {100 * rule.margin:g}"
    )
    if one.difference() < -rule.margin and one.high < 0 and one.lost <= alpha:
        return Check(name=name, state="refused", because=text)
    if one.low >= -rule.margin:
        return Check(name=name, state="passed", because=text)
    if not proof:
        what = "images" if one.scenes is None else "scenes"
        few = f"{text}; of fewer than {rule.least} {what} no proof is asked for"
        return Check(name=name, state="passed", because=few)
    return Check(name=name, state="unknown", because=text)


def _classes(one: Compared, rule: GateRule, alpha: float) -> Iterator[Check]:
    for row in one.classes:
        lost = next(-(m.difference or 0.0) for m in row.measures if m.name == "recall")
        if lost > rule.recall and row.lost <= alpha:
            yield Check(
                name=f"class {row.label} on {one.name}",
                state="refused",
                because=f"of {row.images:,} images of class {row.label!r} in {one.name}, the "
                f"challenger finds {100 * lost:.1f} points fewer, and the limit is "
                f"{100 * rule.recall:g}",
            )


def _better(one: Compared) -> Check:
    state: State = "passed" if one.low > 0 else "refused" if one.high < 0 else "unknown"
    text = (
        f"it was asked to be better on {one.name}, where the difference in accuracy is between "
        f"{_points(one.low)} and {_points(one.high)} points"
    )
    return Check(name="better", state=state, because=text)


def _slower(old: Cost, new: Cost, rule: GateRule) -> Check:
    slow = (
        new.latency_ms > rule.slower * old.latency_ms
        and new.latency_ms - old.latency_ms > _MILLISECONDS
    )
    return Check(
        name="latency",
        state="refused" if slow else "passed",
        because=f"an image takes {new.latency_ms:.3f} ms instead of {old.latency_ms:.3f}, and the "
        f"limit is {rule.slower:g} times as long",
    )


def _larger(old: Cost, new: Cost, rule: GateRule) -> Check:
    """By what a process takes more with it; by the file where that cannot be measured."""
    known = old.memory is not None and new.memory is not None
    before, after = (one.memory if known else one.size for one in (old, new))
    assert before is not None and after is not None  # noqa: S101, PT018 - a size is always known
    large = after > rule.larger * before and after - before > _BYTES
    return Check(
        name="memory",
        state="refused" if large else "passed",
        because=f"it takes {after / 2**20:,.0f} MiB of memory instead of {before / 2**20:,.0f}, "
        f"and the limit is {rule.larger:g} times as much",
    )


def outcome_of(checks: Sequence[Check]) -> tuple[Outcome, str]:
    refused = [check.because for check in checks if check.state == "refused"]
    if refused:
        return "refused", f"refused: {'; '.join(refused)}"
    unknown = [check.because for check in checks if check.state == "unknown"]
    if unknown:
        return "too few images", f"too few images to tell: {'; '.join(unknown)}"
    return "passed", f"passed: {'; '.join(check.because for check in checks)}"


def _points(proportion: float) -> str:
    return f"{100 * proportion:+.1f}"
