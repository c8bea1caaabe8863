"""The results for the drift detector in tables, and compared with its targets."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bench.calm import RUN, Calm
from bench.power import COMPARED, MAX_DELAY, Power
from bench.table import markdown

SURE = (
    "noise, sigma 1.5/16",
    "blur",
    "brightness +1/16",
    "contrast x 0.7",
    "inverted",
    "moved right by 1/8",
    "rotated by 10 degrees",
    "occluded, 1/4 x 1/4",
    "JPEG, quality 10",
)
LIKELY = (
    "10% noisy, sigma 4/16",
    "10% inverted",
    "10% rotated by 30 degrees",
    "one class missing",
)


def calm_table(found: Sequence[Calm]) -> str:
    head = ("images, reference", "windows", "p < 0.05", "worst", "p < 0.01", "p < 0.0027", "alarms")
    rows = [
        [
            f"{result.images:,}, {result.reference:,}",
            f"{result.references * RUN:,}",
            f"{result.changed:.3f}",
            f"{result.worst:.2f}",
            f"{result.below_alarm:.4f}",
            f"{result.below_warn:.4f}",
            f"{result.alarms:.3f}",
        ]
        for result in found
    ]
    return markdown(head, rows)


def power_table(found: Sequence[Power]) -> str:
    names = tuple(found[0].rivals)
    sizes = tuple(found[0].found)
    head = ("", *(f"n = {size}" for size in sizes), *names, "p < 0.01", "delay", "smallest p")
    rows = [
        [
            result.shift,
            *(f"{result.found[size]:.2f}" for size in sizes),
            *(f"{result.rivals[name]:.2f}" for name in names),
            f"{result.evident[COMPARED]:.2f}",
            _delay(result.delays),
            result.view if result.shift != "nothing" else "",
        ]
        for result in found
    ]
    return markdown(head, rows)


def _delay(delays: Sequence[int]) -> str:
    """Median and maximum."""

    def shown(windows: float) -> str:
        return f"> {MAX_DELAY}" if windows > MAX_DELAY else f"{windows:g}"

    return f"{shown(float(np.median(delays)))}, {shown(max(delays))}"


def claims(
    calms: Sequence[Calm], powers: Sequence[Power], months: Sequence[NDArray[np.int64]]
) -> str:
    """The targets, and what was measured; ``months``: alarms that began in each."""
    of = {result.shift: result.found for result in powers}
    worst = min(of[name][COMPARED] for name in SURE)
    likely = min(of[name][COMPARED] for name in LIKELY)
    rows = [
        _claim(
            "false alarms at 0.05, maximum", max(result.changed for result in calms), "<=", 0.06
        ),
        _claim("alarms per 30 windows, maximum", max(result.alarms for result in calms), "<=", 0.1),
        _claim("nine shifts, n = 200, minimum", worst, ">=", 0.99),
        _claim("parts, and one class missing, n = 200, minimum", likely, ">=", 0.9),
        _claim("one class doubled, n = 500", of["one class doubled"].get(500), ">=", 0.9),
    ]
    if months:
        proportion = min(float((alarms <= 1).mean()) for alarms in months)
        rows.append(
            _claim("months of hourly windows with at most one alarm", proportion, ">=", 0.95)
        )
    return markdown(("", "measured", "target", ""), rows)


def _claim(text: str, value: float | None, side: str, target: float) -> list[str]:
    if value is None:
        return [text, "–", f"{side} {target:g}", "not measured"]
    met = value <= target if side == "<=" else value >= target
    return [text, f"{value:.3f}", f"{side} {target:g}", "met" if met else "NOT MET"]
