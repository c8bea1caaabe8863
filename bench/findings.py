"""What was found of the drift detector, in tables, and beside what it must show."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bench.calm import RUN, Calm
from bench.power import COMPARED, LONGEST, Power
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
LIKELY = ("10 % noisy, sigma 4/16", "10 % inverted", "10 % rotated by 30 degrees", "a class gone")


def calm_table(found: Sequence[Calm]) -> str:
    head = ("images, reference", "windows", "p < 0.05", "worst", "p < 0.01", "p < 0.0027", "alarms")
    rows = [
        [
            f"{one.images:,}, {one.reference:,}",
            f"{one.references * RUN:,}",
            f"{one.called:.3f}",
            f"{one.worst:.2f}",
            f"{one.spoke:.4f}",
            f"{one.warned:.4f}",
            f"{one.alarms:.3f}",
        ]
        for one in found
    ]
    return markdown(head, rows)


def power_table(found: Sequence[Power]) -> str:
    names = tuple(found[0].rivals)
    sizes = tuple(found[0].found)
    head = ("", *(f"n = {size}" for size in sizes), *names, "p < 0.01", "delay", "surest view")
    rows = [
        [
            one.shift,
            *(f"{one.found[size]:.2f}" for size in sizes),
            *(f"{one.rivals[name]:.2f}" for name in names),
            f"{one.evident[COMPARED]:.2f}",
            _delay(one.delays),
            one.view if one.shift != "nothing" else "",
        ]
        for one in found
    ]
    return markdown(head, rows)


def _delay(delays: Sequence[int]) -> str:
    """Median, and the longest."""

    def shown(windows: float) -> str:
        return f"> {LONGEST}" if windows > LONGEST else f"{windows:g}"

    return f"{shown(float(np.median(delays)))}, {shown(max(delays))}"


def claims(
    calms: Sequence[Calm], powers: Sequence[Power], busy: Sequence[NDArray[np.int64]]
) -> str:
    """What it must show, and what was found."""
    of = {one.shift: one.found for one in powers}
    worst = min(of[name][COMPARED] for name in SURE)
    likely = min(of[name][COMPARED] for name in LIKELY)
    rows = [
        _claim("false alarms at 0.05, the most", max(one.called for one in calms), "<=", 0.06),
        _claim("alarms per 30 windows, the most", max(one.alarms for one in calms), "<=", 0.1),
        _claim("nine shifts, n = 200, the least", worst, ">=", 0.99),
        _claim("parts, and a class gone, n = 200, the least", likely, ">=", 0.9),
        _claim("a class doubled, n = 500", of["a class doubled"].get(500), ">=", 0.9),
    ]
    if busy:
        share = min(float((month <= 1).mean()) for month in busy)
        rows.append(_claim("months of hourly windows with one alarm at most", share, ">=", 0.95))
    return markdown(("", "measured", "target", ""), rows)


def _claim(text: str, value: float | None, side: str, target: float) -> list[str]:
    if value is None:
        return [text, "–", f"{side} {target:g}", "not measured"]
    met = value <= target if side == "<=" else value >= target
    return [text, f"{value:.3f}", f"{side} {target:g}", "met" if met else "NOT MET"]
