"""Within monitor/, imports point down: a floor knows those below it and no neighbour."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.test_layout import ROOT, Module, house, read

# From the ground up; what stands on one floor does not import each other.
FLOORS = (
    ("frozen", "phrasing", "proportions"),
    ("window",),
    ("drift", "accuracy", "familiar", "quality"),
    ("findings",),
    ("asking", "inspection", "storage"),
    ("report",),
    ("watching", "selection"),
    ("__main__",),
)
LEVELS = {part: level for level, floor in enumerate(FLOORS) for part in floor}


def part(name: str) -> str:
    return name.split(".")[1]


def upward(modules: Mapping[str, Module]) -> list[str]:
    return [
        f"{name} imports {other}"
        for name, module in modules.items()
        for other in sorted(module.anywhere)
        if name.startswith("monitor.")
        and other.startswith("monitor.")
        and part(name) != part(other)
        and LEVELS[part(other)] >= LEVELS[part(name)]
    ]


@pytest.fixture(scope="module")
def modules() -> Mapping[str, Module]:
    return read(ROOT)


def test_every_part_has_a_floor(modules: Mapping[str, Module]) -> None:
    parts = {part(name) for name in modules if name.startswith("monitor.")}
    assert parts == LEVELS.keys()


def test_imports_point_down(modules: Mapping[str, Module]) -> None:
    assert upward(modules) == []


def test_an_import_of_a_neighbour_or_upward_is_found(tmp_path: Path) -> None:
    files = {
        "monitor/window/data.py": "from monitor.drift import detector\n",
        "monitor/accuracy/harm.py": "import monitor.quality.check\n",
        "monitor/quality/check.py": "",
        "monitor/drift/detector.py": "def late():\n    import monitor.findings\n",
        "monitor/findings.py": "import monitor.drift.detector\n",
    }
    assert upward(house(tmp_path, files)) == [
        "monitor.accuracy.harm imports monitor.quality.check",
        "monitor.drift.detector imports monitor.findings",
        "monitor.window.data imports monitor.drift.detector",
    ]
