import xml.etree.ElementTree as ET

import numpy as np
import pytest

from monitor.drift.alarm import AlarmRule
from monitor.report.figures import class_proportions, distribution, timeline
from monitor.window.history import PastWindow
from tests.monitor.production import HOUR, NOON


def shapes(svg: str) -> int:
    """Well-formed, and with something drawn in it."""
    root = ET.fromstring(svg)  # noqa: S314 - our own
    assert root.tag.endswith("svg")
    return len(list(root.iter("{http://www.w3.org/2000/svg}path")))


def test_the_timeline_takes_any_history() -> None:
    values: list[float | None] = [1.0, None, 0.03, 0.0, 1e-300]
    windows = [
        PastWindow(NOON + hour * HOUR, NOON + (hour + 1) * HOUR, 100, "calm", value)
        for hour, value in enumerate(values)
    ]
    svg = timeline(windows, AlarmRule())
    assert shapes(svg)
    assert svg == timeline(windows, AlarmRule())


@pytest.mark.parametrize("classes", [2, 10, 1000])
def test_shares_of_a_few_classes_or_many(classes: int) -> None:
    now = np.linspace(0, 1, classes)
    svg = class_proportions([f"$\\frac{{ <b>{one}" for one in range(classes)], now[::-1], now)
    assert shapes(svg)
    assert len(svg) < 400_000


def test_a_distribution_of_one_value() -> None:
    same = np.full(50, 3.0, np.float32)
    assert shapes(distribution(same, same, "brightness"))


def test_a_label_in_a_script_that_the_font_lacks() -> None:
    assert shapes(class_proportions(["猫", "\x00\n"], np.array([0.5, 0.5]), np.array([1.0, 0.0])))
