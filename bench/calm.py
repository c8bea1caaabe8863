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
from monitor.drift.views import unusual

HOURS = 720
RUN = 30
VIEWS = 5
LOUD_SQUARES, LOUD_CELL = 15.0, 9.0
"""Chi-square of all classes and of one from which a window is judged: by far more often than one in
five hundred are."""


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
        found.append(alarms(hourly(screen, detector, pool, images, rng), detector.rule))
    return np.array(found)


def hourly(
    screen: "Screen", detector: DriftDetector, pool: Pool, images: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """float64 [HOURS]: the evidence of each window of a month; 1 of those that are quiet."""
    windows = rng.integers(len(pool.pixels), size=(HOURS, images))
    evidence = np.ones(HOURS)
    for hour in screen.loud(pool.columns, windows):
        evidence[hour] = _numbers(detector.judge(pool.columns.take(windows[hour])))[1]
    return evidence


class Screen:
    """Finds the windows that can be evidence for an alarm, many times faster than judging them all.

    Holm's correction multiplies the smallest of five p-values by five, and Bonferroni's that of a
    column by the number of columns: so a window is quiet if no column is as far from the
    reference's as that needs. With ties the distance comes out too large, and the window is judged.
    So it is with the classes: merging rare ones only makes chi-square smaller, and its limit here
    is that of four classes.
    """

    def __init__(self, old: Columns, images: int, detector: DriftDetector) -> None:
        self._detector = detector
        self._sorted = [np.sort(block, axis=0) for block in _blocks(old)]
        self._needed = detector.rule.alarm / VIEWS
        harmonic = round(images * len(old) / (images + len(old)))
        self._limits = [
            kstwo.isf(self._needed / block.shape[1], harmonic) for block in _blocks(old)
        ]

    def loud(self, pool: Columns, windows: NDArray[np.int64]) -> NDArray[np.int64]:
        """int64 [L]: those of W windows that are to be judged; ``windows``: int64 [W, n], the rows
        of each in ``pool``."""
        loud = self._unusual(pool, windows) | self._classes(pool, windows)
        steps = np.arange(windows.shape[1] + 1)[:, None] / windows.shape[1]
        for limit, old, block in zip(self._limits, self._sorted, _blocks(pool), strict=True):
            for column in range(block.shape[1]):
                values = np.sort(block[windows, column], axis=1).T
                below = np.searchsorted(old[:, column], values, "left") / len(old)
                upto = np.searchsorted(old[:, column], values, "right") / len(old)
                distance = np.maximum(
                    (steps[1:] - upto).max(axis=0), (below - steps[:-1]).max(axis=0)
                )
                loud |= distance >= limit
        return np.flatnonzero(loud)

    def _unusual(self, pool: Columns, windows: NDArray[np.int64]) -> NDArray[np.bool_]:
        found = [unusual(self._detector.reference, pool.take(rows)).p_value for rows in windows]
        return np.array(found) < self._needed

    def _classes(self, pool: Columns, windows: NDArray[np.int64]) -> NDArray[np.bool_]:
        usual = self._detector.usual
        classes = len(usual.proportions)
        new = np.stack([np.bincount(some, minlength=classes) for some in pool.predicted[windows]])
        squares = np.stack([usual.distances(counts) ** 2 for counts in new])
        return np.asarray((squares.sum(axis=1) > LOUD_SQUARES) | (squares.max(axis=1) > LOUD_CELL))


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
