"""The page as a browser reads it, also with the worst that a client can send."""

import csv
from html.parser import HTMLParser
from pathlib import Path

import numpy as np

from images.spec import ImageSpec
from models.store import Store
from monitor.findings import Findings
from monitor.inspection import inspect
from monitor.report.page import render
from monitor.window.version import MonitoredVersion
from records.database import Database
from tests.drafts import LinearDraft
from tests.drawing import png
from tests.monitor.production import HOUR, NOON, Production, give_labels, keep

VOID = {"meta", "img", "br", "link", "input"}
EVIL = (
    "</title><script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "{{ 7 * 7 }} {% raw %} $x^{",
    "\u202egnp.exe \x1b[31m",
)


class Page(HTMLParser):
    """The elements, their attributes and the text; fails on elements that are not closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def values(self, name: str) -> list[str]:
        return [value for found, value in self.attributes if found == name]


def test_an_alarm(alarm: Findings) -> None:
    page = Page(render(alarm))
    assert "The images have changed" in page.text
    assert "Since 2030-01-31 12:00 UTC." in page.text
    assert "python -m records export" in page.text
    assert "Images that show the change most" in page.text
    assert page.elements.count("img") > 8 + 8 + 2 + 1 + 1 + 2
    assert all(url.startswith("data:image/") for url in page.values("src"))
    assert not page.values("href")


def test_a_calm_window(calm: Findings) -> None:
    page = Page(render(calm))
    assert "No problems found." in page.text
    assert "There are no earlier windows to compare with." in page.text
    assert "on 120 labelled predictions" in page.text


def test_an_empty_window(monitored: MonitoredVersion, database: Database) -> None:
    page = Page(render(inspect(database, monitored, NOON - HOUR, NOON)))
    assert "Not enough data." in page.text


def test_hostile_labels_and_ids(database: Database, tmp_path: Path) -> None:
    version = Store(tmp_path / "models").save(LinearDraft(name="evil", labels=EVIL))
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (520, 64), np.uint8)
    with (tmp_path / "data.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["image", "label"])
        for number, pixels in enumerate(images):
            (tmp_path / f"{number}.png").write_bytes(png(pixels.reshape(8, 8)))
            rows.writerow([f"{number}.png", EVIL[number % 4]])
    monitored = MonitoredVersion.of(version, tmp_path / "data.csv")
    window = rng.integers(0, 120, (100, 64), np.uint8)
    ids = [f"{EVIL[number % 4]}{number}" for number in range(100)]
    keep(database, version, window, ids=ids)
    give_labels(database, ids[:60], [EVIL[1], "unknown <b>"] * 30)
    findings = inspect(database, monitored, NOON - HOUR, NOON)
    assert findings.drift.changed
    text = render(findings)
    page = Page(text)
    assert not set(page.elements) & {"script", "iframe", "object", "link", "base", "form"}
    assert all(url.startswith("data:image/") for url in page.values("src"))
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    assert "{{ 7 * 7 }}" in page.text
    assert "\u202e" not in text
    assert "\x1b" not in text


def test_a_version_without_data(production: Production, database: Database, tmp_path: Path) -> None:
    spec = ImageSpec.parse("digits")
    version = Store(tmp_path / "models").save(LinearDraft(name="foreign", spec=spec))
    keep(database, version, production.images(0))
    page = Page(render(inspect(database, MonitoredVersion.of(version), NOON - HOUR, NOON)))
    assert "python -m monitor run --model foreign --data FOLDER" in page.text
