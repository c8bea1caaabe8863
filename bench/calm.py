"""False alarms of the drift detector: how often it reports a change where there is none."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import kstwo

from bench.population import Pool, Population
from monitor.drift.alarm import AlarmRule
from monitor.drift.columns import Columns
from monitor.drift.detector import DriftDetector
from monitor.drift.results import DriftReport
from monitor.drift.views import classes, unusual

HOURS = 720
RUN = 30
VIEWS = 5


@dataclass(frozen=True)
class Calm:
    """Over ``references`` references with ``RUN`` windows each, without a change.

    ``changed``: the proportion of windows with p < alpha; ``worst``: the same for the unluckiest
    reference; ``below_alarm`` and ``below_warn``: of windows with evidence below the limits of the
    alarm rule; ``alarms``: alarms that began, per reference.
    """

    images: int
    reference: int
    references: int
    changed: float
    worst: float
    below_alarm: float
    below_warn: float
    alarms: float


def calm(
    population: Population,
    pool: Pool,
    images: int,
    reference: int,
    references: int,
    rng: np.random.Generator,
) -> Calm:
    """Windows of ``images`` images against references of ``reference``, drawn from one pool."""
    rule = AlarmRule()
    p_values = np.empty((references, RUN))
    evidence = np.empty((references, RUN))
    for row in range(references):
        detector = fitted(population, pool, reference, rng)
        for column in range(RUN):
            p_values[row, column], evidence[row, column] = _judged(detector, pool, images, rng)
    changed = p_values < detector.settings.alpha
    return Calm(
        images=images,
        reference=reference,
        references=references,
        changed=float(changed.mean()),
        worst=float(changed.mean(axis=1).max()),
        below_alarm=float((evidence < rule.alarm).mean()),
        below_warn=float((evidence < rule.warn).mean()),
        alarms=float(np.mean([alarms(row, rule) for row in evidence])),
    )


def months(
    population: Population,
    pool: Pool,
    images: int,
    reference: int,
    count: int,
    rng: np.random.Generator,
) -> NDArray[np.int64]:
    """int64 [count]: alarms that began in each month of hourly windows; each month has its own
    reference."""
    found = []
    for _ in range(count):
        rows = rng.integers(len(pool.pixels), size=reference)
        detector = population.detector(population.reference(pool, rows))
        screen = Screen(pool.columns.take(rows), images, detector)
        evidence = np.ones(HOURS)
        for hour in range(HOURS):
            columns = pool.columns.take(rng.integers(len(pool.pixels), size=images))
            if not screen.quiet(columns):
                evidence[hour] = _numbers(detector.judge(columns))[1]
        found.append(alarms(evidence, detector.rule))
    return np.array(found)


class Screen:
    """Finds the windows that cannot be evidence for an alarm, faster than judging them.

    Holm's correction multiplies the smallest of five p-values by five, and Bonferroni's that of a
    column by the number of columns: so a window is quiet if no column is as far from the
    reference's as that needs. With ties the distance comes out too large, and the window is judged.
    """

    def __init__(self, old: Columns, images: int, detector: DriftDetector) -> None:
        self._detector, self._labels = detector, range(old.outputs.shape[1])
        self._old = old
        self._sorted = [np.sort(block, axis=0) for block in _blocks(old)]
        self._needed = detector.rule.alarm / VIEWS
        harmonic = round(images * len(old) / (images + len(old)))
        self._limits = [
            kstwo.isf(self._needed / block.shape[1], harmonic) for block in _blocks(old)
        ]

    def quiet(self, new: Columns) -> bool:
        if unusual(self._detector.reference, new).p_value < self._needed:
            return False
        new = new.take(self._detector.sampled(len(new)))
        steps = np.arange(len(new) + 1) / len(new)
        for limit, old, block in zip(self._limits, self._sorted, _blocks(new), strict=True):
            values = np.sort(block, axis=0)
            for column in range(block.shape[1]):
                below = np.searchsorted(old[:, column], values[:, column], "left") / len(old)
                upto = np.searchsorted(old[:, column], values[:, column], "right") / len(old)
                if max((steps[1:] - upto).max(), (below - steps[:-1]).max()) >= limit:
                    return False
        return classes(self._old, new, self._labels).p_value >= self._needed


def _blocks(columns: Columns) -> list[NDArray[np.float32]]:
    error = np.zeros(len(columns), np.float32) if columns.error is None else columns.error
    return [columns.outputs, columns.statistics, error[:, None]]


def alarms(evidence: NDArray[np.float64], rule: AlarmRule) -> int:
    """How many alarms begin: one that lasts for several windows counts once."""
    states = [
        rule.judge(evidence[max(0, end - rule.windows) : end].tolist()).state == "alarm"
        for end in range(1, len(evidence) + 1)
    ]
    return sum(now and not before for before, now in zip([False, *states], states, strict=False))


def fitted(
    population: Population, pool: Pool, reference: int, rng: np.random.Generator
) -> DriftDetector:
    """A detector with a reference drawn from the pool."""
    rows = rng.integers(len(pool.pixels), size=reference)
    return population.detector(population.reference(pool, rows))


def _judged(
    detector: DriftDetector, pool: Pool, images: int, rng: np.random.Generator
) -> tuple[float, float]:
    rows = rng.integers(len(pool.pixels), size=images)
    return _numbers(detector.judge(pool.columns.take(rows)))


def _numbers(report: DriftReport) -> tuple[float, float]:
    """P-value and evidence."""
    if report.p_value is None or report.evidence is None:
        raise ValueError(report.reason)
    return report.p_value, report.evidence
