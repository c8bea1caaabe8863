"""Chromium, as Debian packages it; where it is missing, its tests are skipped, or fail with
REQUIRE_BROWSER=1."""

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

PATIENCE = 30_000
DESKTOP = {"width": 1120, "height": 780}
PHONE = {"width": 360, "height": 740}
PICTURES = os.environ.get("CONSOLE_PICTURES") == "1"
FOLDER = Path(__file__).parents[2] / "docs" / "images" / "console"


@contextlib.contextmanager
def browser() -> Iterator[Browser]:
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        why = "there is no chromium here"
        pytest.fail(why) if os.environ.get("REQUIRE_BROWSER") == "1" else pytest.skip(why)
    with sync_playwright() as playwright:
        # Its sandbox needs privileges that a container does not have.
        flags = ["--no-sandbox", "--use-fake-device-for-media-stream"]
        running = playwright.chromium.launch(executable_path=program, args=flags)
        try:
            yield running
        finally:
            running.close()


@contextlib.contextmanager
def window(browser: Browser, url: str, **options: Any) -> Iterator[Page]:
    """A page of a browser that knows nothing yet. Whatever the page logs as an error, or raises,
    fails the test; ``phone``: at the size of one, with touch."""
    if options.pop("phone", False):
        options |= {"viewport": PHONE, "has_touch": True, "is_mobile": True}
        options |= {"device_scale_factor": 2}
    options = {"viewport": DESKTOP, "locale": "en-US"} | options
    with contextlib.closing(browser.new_context(base_url=url, **options)) as context:
        context.set_default_timeout(PATIENCE)
        page = context.new_page()
        faults: list[str] = []
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda one: faults.append(one.text) if _is_fault(one) else None)
        yield page
        assert faults == []


def _is_fault(message: ConsoleMessage) -> bool:
    """An error that is not a refusal of the server, or its absence, which tests bring about."""
    return message.type == "error" and not message.text.startswith("Failed to load resource")


def overflows(page: Page) -> bool:
    """Whether one has to scroll sideways."""
    return bool(page.evaluate("document.documentElement.scrollWidth > innerWidth"))


def paint(page: Page) -> str:
    """When the browser painted something of the page first, since it was asked for."""
    first = """new Promise((found) => new PerformanceObserver((list) => {
        for (const one of list.getEntriesByName("first-contentful-paint")) found(one.startTime);
    }).observe({ type: "paint", buffered: true }))"""
    return f"first paint after {page.evaluate(first):.0f} ms"


def serious(page: Page) -> list[str]:
    """What axe calls serious or critical."""
    found = Axe().run(page).response["violations"]
    return [
        f"{one['id']}: {one['nodes'][0]['html'][:200]}"
        for one in found
        if one["impact"] in ("serious", "critical")
    ]


def tab_to(page: Page, selector: str, most: int = 60, key: str = "Tab") -> None:
    """Press the tabulator until the element has the focus; with "Shift+Tab", from the end."""
    for _ in range(most):
        page.keyboard.press(key)
        if page.evaluate("(selector) => document.activeElement.matches(selector)", selector):
            return
    raise AssertionError(f"no way to {selector} by the keyboard")


def picture(page: Page, name: str) -> None:
    """A picture for the documentation, if they are wanted."""
    if PICTURES:
        FOLDER.mkdir(parents=True, exist_ok=True)
        page.evaluate("scrollTo(0, 0)")
        # Images that are not in sight are not loaded.
        page.evaluate("""Promise.all([...document.images]
            .filter((one) => one.getBoundingClientRect().top < innerHeight)
            .map((one) => one.decode().catch(() => null)))""")
        page.screenshot(path=str(FOLDER / f"{name}.png"))
