"""How often, and how soon, a shift is detected: by the drift detector and by its rivals."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench import rivals
from bench.population import Pool, Population
from bench.shifts import SHIFTS, Shift
from monitor.drift.detector import DriftDetector

RATIO = 5
COMPARED = 200
"""Images in the windows that the rivals get too, and that the delay is measured with."""
REFERENCES = 10
MAX_DELAY = 20
NOTHING = Shift("nothing", "images")


@dataclass(frozen=True)
class Power:
    """``found``: by images in a window, the proportion of windows with p < 0.05 (and, as
    ``evident``, with enough evidence for the alarm rule); ``rivals``: the proportion of the windows
    of 200 images that each calls changed; ``delays``: windows until an alarm, ``MAX_DELAY`` + 1
    without one; ``view``: the one with the smallest p-value, most often; ``reason``: of one
    report."""

    shift: str
    found: dict[int, float]
    evident: dict[int, float]
    rivals: dict[str, float]
    delays: tuple[int, ...]
    view: str
    reason: str


@dataclass(frozen=True)
class Plan:
    """``windows`` of each size for a shift, of which the rivals get the first ``compared``;
    ``streams`` for the delay; ``pool``: different images after a shift."""

    sizes: Sequence[int]
    windows: int
    compared: int
    streams: int
    pool: int


def power(
    population: Population,
    pool: Pool,
    plan: Plan,
    rng: np.random.Generator,
    on_shift: Callable[[Power], None],
) -> list[Power]:
    """All shifts, and none, against ten references of each size."""
    rows = {
        size: [rng.integers(len(pool.pixels), size=size * RATIO) for _ in range(REFERENCES)]
        for size in plan.sizes
    }
    detectors = {
        size: [population.detector(population.reference(pool, chosen)) for chosen in rows[size]]
        for size in plan.sizes
    }
    found = []
    for shift in (NOTHING, *SHIFTS):
        shifted = population.shifted(pool, plan.pool, shift, rng)
        result = _power(shift, pool, shifted, plan, rows, detectors, rng)
        on_shift(result)
        found.append(result)
    return found


def _power(
    shift: Shift,
    pool: Pool,
    shifted: Pool,
    plan: Plan,
    rows: dict[int, list[NDArray[np.int64]]],
    detectors: dict[int, list[DriftDetector]],
    rng: np.random.Generator,
) -> Power:
    found: dict[int, float] = {}
    evident: dict[int, float] = {}
    called: dict[str, list[bool]] = {"BBSDs": [], "KS per pixel": [], "MMD": [], "Evidently": []}
    views: Counter[str] = Counter()
    reason = ""
    for size in plan.sizes:
        reports = []
        for number in range(plan.windows):
            index = number % REFERENCES
            new = shift.rows(shifted.labels, size, rng)
            report = detectors[size][index].judge(shifted.columns.take(new))
            reports.append(report)
            if size != COMPARED:
                continue
            views[min(report.views, key=lambda view: view.adjusted).name] += 1
            reason = report.reason
            if number < plan.compared:
                old = rows[size][index]
                before, now = pool.pixels[old], shifted.pixels[new]
                called["BBSDs"].append(
                    rivals.bbsds(pool.columns.take(old), shifted.columns.take(new))
                )
                called["KS per pixel"].append(rivals.pixel_ks(before, now))
                called["MMD"].append(rivals.mmd(before, now, rng))
                called["Evidently"].append(rivals.evidently(before, now))
        detector = detectors[size][0]
        p_values = [1.0 if report.p_value is None else report.p_value for report in reports]
        evidence = [1.0 if report.evidence is None else report.evidence for report in reports]
        found[size] = float(np.mean(np.array(p_values) < detector.settings.alpha))
        evident[size] = float(np.mean(np.array(evidence) < detector.rule.alarm))
    return Power(
        shift=shift.name,
        found=found,
        evident=evident,
        rivals={name: float(np.mean(some)) for name, some in called.items() if some},
        delays=tuple(
            _delay(detectors[COMPARED][number % REFERENCES], pool, shift, shifted, rng)
            for number in range(plan.streams)
        ),
        view=views.most_common(1)[0][0],
        reason=reason,
    )


def _delay(
    detector: DriftDetector, pool: Pool, shift: Shift, shifted: Pool, rng: np.random.Generator
) -> int:
    """Windows of 200 images from the first shifted one to the alarm, after three calm ones."""
    history: list[float | None] = []
    for number in range(1 - detector.rule.windows, MAX_DELAY + 1):
        if number < 1:
            columns = pool.columns.take(rng.integers(len(pool.pixels), size=COMPARED))
        else:
            columns = shifted.columns.take(shift.rows(shifted.labels, COMPARED, rng))
        history.append(detector.judge(columns).evidence)
        if number > 0 and detector.rule.judge(history).state == "alarm":
            return number
    return MAX_DELAY + 1
