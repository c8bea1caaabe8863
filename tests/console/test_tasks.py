"""Each page's main task, done by mouse, by the keyboard alone, and at the size of a phone."""

import os
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect
from sqlalchemy import func, select

from records.audit import acts
from records.decisions import history
from records.schema import labels, predictions
from tests.console.browsers import (
    PATIENCE,
    browser,
    overflows,
    paint,
    picture,
    serious,
    tab_to,
    window,
)
from tests.console.scene import digit, records, send, site
from tests.servers import Server
from tests.waiting import until

PAGES = ("try", "label", "watch", "versions", "data")
LABELS = int(os.environ.get("CONSOLE_LABELS", "12"))
SENT = max(120, LABELS + 60)


@pytest.fixture(scope="module")
def server(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with site(home, tmp_path_factory.mktemp("console"), SENT) as running:
        yield running


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as running:
        yield running


def labelled(server: Server) -> int:
    with records(server) as database, database.reading() as connection:
        return int(connection.execute(select(func.count()).select_from(labels)).scalar_one())


def champion(page: Page) -> str:
    page.goto("/console/versions")
    row = page.locator("tr", has=page.locator(".badge", has_text=re.compile("^champion$")))
    return row.locator("a").inner_text()


@pytest.mark.parametrize("name", PAGES)
def test_every_page_is_light_accessible_and_fits(
    server: Server, chromium: Browser, name: str, record_property: Callable[[str, object], None]
) -> None:
    with window(chromium, server.url) as page:
        answer = page.goto(f"/console/{name}")
        assert answer is not None
        size = len(answer.body())
        assert size < 100_000
        record_property(f"{name}, with nothing in the cache", f"{size:,} bytes, {paint(page)}")
        assert serious(page) == []
        for other in PAGES:
            expect(page.locator(f'nav a[href="/console/{other}"]')).to_have_count(1)
    with window(chromium, server.url, phone=True, color_scheme="dark", locale="es-MX") as page:
        page.goto(f"/console/{name}")
        expect(page.locator("html")).to_have_attribute("lang", "es")
        assert not overflows(page)
        # Nor within the line of pages.
        assert page.locator("nav").first.evaluate("(one) => one.scrollWidth <= one.clientWidth")
        assert serious(page) == []


def test_try_by_mouse(server: Server, chromium: Browser) -> None:
    with window(chromium, server.url) as page:
        page.goto("/")
        page.locator("button.sample").nth(8).click()
        expect(page.locator(".answer strong")).to_have_text("8")
        page.locator("summary").click()
        expect(page.locator(".recipe pre").first).to_contain_text("/predict/clf")
        assert serious(page) == []
        picture(page, "try")


def test_try_by_the_keyboard(server: Server, chromium: Browser) -> None:
    with window(chromium, server.url) as page:
        page.goto("/console/try")
        tab_to(page, "button.sample[value='3']")
        page.keyboard.press("Enter")
        expect(page.locator(".answer strong")).to_have_text("3")
        before = labelled(server)
        tab_to(page, "#truth")
        page.keyboard.type("5")
        page.keyboard.press("Enter")
        expect(page.locator(".notice.calm")).to_contain_text("5")
        assert labelled(server) == before + 1


def test_try_on_a_phone(server: Server, chromium: Browser, tmp_path: Path) -> None:
    file = tmp_path / "a photo.png"
    content, truth = digit(3, noise=0.0)
    file.write_bytes(content)
    with window(chromium, server.url, phone=True) as page:
        page.goto("/console/try")
        page.set_input_files("#camera", file)
        expect(page.locator(".answer strong")).to_have_text(str(truth))
        assert not overflows(page)
        picture(page, "try-phone")


def test_paste_and_drop(server: Server, chromium: Browser) -> None:
    content, truth = digit(3, noise=0.0)
    put = """([bytes, name]) => {
        const data = new DataTransfer();
        data.items.add(new File([new Uint8Array(bytes)], "one.png", { type: "image/png" }));
        const from = name === "drop" ? { dataTransfer: data } : { clipboardData: data };
        const kind = name === "drop" ? DragEvent : ClipboardEvent;
        document.body.dispatchEvent(new kind(name, { bubbles: true, cancelable: true, ...from }));
    }"""
    with window(chromium, server.url) as page:
        for name in ("paste", "drop"):
            page.goto("/console/try")
            page.evaluate(put, [list(content), name])
            expect(page.locator(".answer strong")).to_have_text(str(truth))
            expect(page.locator("figcaption").first).to_have_text("one.png")


def test_try_without_script(server: Server, chromium: Browser, tmp_path: Path) -> None:
    file = tmp_path / "digit.png"
    content, truth = digit(3, noise=0.0)
    file.write_bytes(content)
    with window(chromium, server.url, java_script_enabled=False) as page:
        page.goto("/console/try")
        page.set_input_files("#image", file)
        page.locator("button.send").click()
        expect(page.locator(".answer strong")).to_have_text(str(truth))


def test_what_is_no_image_is_said_so(server: Server, chromium: Browser, tmp_path: Path) -> None:
    file = tmp_path / "no.png"
    file.write_bytes(b"no image")
    with window(chromium, server.url, java_script_enabled=False) as page:
        page.goto("/console/try")
        page.set_input_files("#image", file)
        page.locator("button.send").click()
        expect(page.locator(".notice.alarm")).to_contain_text("Invalid image data: ")
    with window(chromium, server.url, locale="es") as page:
        page.goto("/console/try")
        page.set_input_files("#image", file)
        fault = page.locator("#result .notice.alarm span")
        expect(fault).to_have_text("La imagen no es válida: no es un JPEG, PNG, WebP, BMP o GIF")
        expect(fault).to_have_attribute("lang", "es")


def test_label_by_the_keyboard(
    server: Server, chromium: Browser, record_property: Callable[[str, object], None]
) -> None:
    """While the worker is killed: none that was acknowledged is lost."""
    before = labelled(server)
    with window(chromium, server.url) as page:
        page.goto("/console/label")
        picture(page, "label")
        count = int(page.locator("#progress").get_attribute("data-count") or 0)
        began = time.monotonic()
        for number in range(LABELS):
            # The next image is there at once, whatever the network does.
            expect(page.locator("#picture")).to_be_visible(timeout=PATIENCE)
            page.keyboard.press(str(number % 10))
            if number == LABELS // 2:
                (worker,) = server.workers()
                os.kill(worker, 9)
        expect(page.locator("#saving")).to_have_text("all saved", timeout=PATIENCE)
        record_property("labels a minute", round(60 * LABELS / (time.monotonic() - began)))
        expect(page.locator("#lost")).to_be_hidden()
        expect(page.locator("#progress")).to_contain_text(f"{count + LABELS} labelled")
        page.keyboard.press("Backspace")
        expect(page.locator("#progress")).to_contain_text(f"{count + LABELS - 1} labelled")
        page.keyboard.press("ArrowRight")
        expect(page.locator("#saving")).to_have_text("all saved")
    assert labelled(server) == before + LABELS - 1
    with records(server) as database:
        assert [act.action for _, act in acts(database, 1)] == ["withdraw label"]


def test_label_by_mouse_and_touch(server: Server, chromium: Browser) -> None:
    before = labelled(server)
    with window(chromium, server.url) as page:
        page.goto("/console/label")
        page.locator('.classes button[value="4"]').click()
        page.locator("#typed").fill("7")
        page.keyboard.press("Enter")
        page.get_by_role("button", name="None of these").click()
        expect(page.locator("#saving")).to_have_text("all saved")
    with window(chromium, server.url, phone=True) as page:
        page.goto("/console/label")
        page.locator('.classes button[value="2"]').tap()
        expect(page.locator("#saving")).to_have_text("all saved")
        picture(page, "label-phone")
    assert labelled(server) == before + 4


def test_label_without_script(server: Server, chromium: Browser) -> None:
    before = labelled(server)
    with window(chromium, server.url, java_script_enabled=False) as page:
        page.goto("/console/label")
        first = page.locator('input[name="id"]').input_value()
        page.locator('.classes button[value="4"]').click()
        second = page.locator('input[name="id"]').input_value()
        assert second != first
        page.get_by_role("button", name="Undo").click()
        assert page.locator('input[name="id"]').input_value() == first
        page.get_by_role("button", name="Skip").click()
        assert page.locator('input[name="id"]').input_value() not in ("", first)
    assert labelled(server) == before


def test_watch(server: Server, chromium: Browser) -> None:
    with window(chromium, server.url) as page:
        page.goto("/console/watch")
        expect(page.locator(".steps li").first).to_contain_text("has not looked")
        page.get_by_role("button", name="Look now").click()
        page.goto("/console/watch")
        # The page looks by itself whether the monitor has ended.
        expect(page.locator("h2", has_text="The newest report")).to_be_visible(timeout=120_000)
        tab_to(page, '.steptabs a[href*="hour"]')
        page.keyboard.press("Enter")
        expect(page.locator('.steptabs a[aria-current="page"]')).to_have_text("Hour")
        expect(page.locator(".figures dd").first).not_to_have_text("0")
        picture(page, "watch")
        tab_to(page, ".steps a.button, .steps form button")
    with window(chromium, server.url, phone=True, color_scheme="dark") as page:
        page.goto("/console/watch")
        page.locator('.steptabs a[href*="month"]').tap()
        expect(page.locator('.steptabs a[aria-current="page"]')).to_have_text("Month")
        assert not overflows(page)
        picture(page, "watch-phone")


def test_put_another_version_live_and_go_back(server: Server, chromium: Browser) -> None:
    with window(chromium, server.url) as page:
        first = champion(page)
        page.locator('input[name="a"]').first.check()
        page.locator('input[name="b"]').last.check()
        page.get_by_role("button", name="Compare the two").click()
        expect(page.locator("tbody")).to_contain_text("Recipe")
        assert serious(page) == []
        page.go_back()
        page.locator("tbody th a").last.click()
        page.on("dialog", lambda dialog: dialog.accept())
        page.locator("#why-champion").fill("it is older and wiser")
        page.get_by_role("button", name="Make it the champion").click()
        expect(page.locator(".history")).to_contain_text("it is older and wiser")
        until(lambda: champion(page) != first, "the other champion")
        # By the keyboard alone.
        tab_to(page, '.back input[name="because"]')
        page.keyboard.type("it was not")
        page.keyboard.press("Enter")
        expect(page.locator(".history")).to_contain_text("it was not")
        until(lambda: champion(page) == first, "the first champion again")
        expect(page.locator(".back")).to_have_count(0)
        page.goto(f"/console/versions/clf/{first}")
        picture(page, "version")
    with records(server) as database:
        done = [(one.action, one.actor) for one in history(database, "clf", limit=2)]
    assert done == [("rollback", "loopback"), ("promote", "loopback")]


def test_a_trial_is_watched_paused_and_ended(server: Server, chromium: Browser) -> None:
    with window(chromium, server.url) as page:
        page.goto("/console/versions")
        older = page.locator("tbody th a").last.inner_text()
        body = {"model": "clf", "challenger": older, "because": "for comparison", "shadow": 1.0}
        assert server.post("/rollouts/start", json=body).status_code == 200
        rollout = page.locator("#rollout")
        until(lambda: bool(page.reload()) and rollout.count() == 1, "the rollout on every worker")
        send(server, SENT, SENT + 40)
        expect(rollout.locator(".stages li.now")).to_have_text("Shadow")
        expect(rollout).to_contain_text("more labels on disagreements would show it")
        compared = rollout.locator(".figures dd").first
        until(lambda: bool(page.reload()) and compared.inner_text() != "0", "what was compared")
        picture(page, "versions")
        page.goto("/console/try")
        page.locator("button.sample").first.click()
        expect(page.locator(".outcome h3")).to_have_text(["Champion", "Challenger"])
        page.goto("/console/versions")
        rollout.locator("summary").click()
        pause = page.locator("form.action", has=page.locator('input[value="pause"]'))
        pause.locator('input[name="because"]').fill("holidays")
        with page.expect_navigation():
            pause.locator("button").click()
        until(lambda: "paused" in _reloaded(page).inner_text(), "the pause")
        # By the keyboard alone.
        tab_to(page, "#rollout summary")
        page.keyboard.press("Enter")
        tab_to(page, 'form:has(input[value="abort"]) input[name="because"]')
        page.keyboard.type("seen enough")
        with page.expect_navigation():
            page.keyboard.press("Enter")
        until(lambda: bool(page.reload()) and rollout.count() == 0, "the end of the trial")
        expect(page.locator(".history")).to_contain_text("seen enough")


def _reloaded(page: Page) -> Locator:
    page.reload()
    return page.locator("#rollout")


def test_decide_on_a_phone(server: Server, chromium: Browser) -> None:
    with window(chromium, server.url, phone=True) as page:
        page.goto("/console/versions")
        # A card for each, and nothing to scroll sideways for.
        expect(page.locator(".cards td").first).to_have_css("display", "flex")
        assert page.locator(".cards").evaluate("(one) => one.scrollWidth <= one.clientWidth")
        picture(page, "versions-phone")
        page.locator("tbody th a").first.tap()
        expect(page.locator(".matrix")).to_be_visible()
        assert not overflows(page)
        assert serious(page) == []


def test_data(server: Server, chromium: Browser) -> None:
    with window(chromium, server.url) as page:
        page.goto("/console/data")
        picture(page, "data")
        with page.expect_download() as download:
            page.get_by_role("button", name="As a folder for each class").click()
        assert download.value.suggested_filename == "clf.zip"
        expect(page.locator("#exporting")).to_contain_text("The file is made")
        page.locator("tbody a").first.click()
        expect(page.locator(".grid img").first).to_be_visible()
        assert serious(page) == []
        picture(page, "class")


def test_delete_a_request_by_the_keyboard_and_on_a_phone(server: Server, chromium: Browser) -> None:
    with window(chromium, server.url, phone=True) as page:
        page.goto("/console/data")
        tab_to(page, 'input[name="request_id"]', key="Shift+Tab")
        page.keyboard.type("digit-1")
        page.keyboard.press("Enter")
        page.locator("button.danger").tap()
        expect(page.locator(".notice.calm")).to_be_visible()
    with records(server) as database:
        with database.reading() as connection:
            statement = select(predictions.c.id).where(predictions.c.request_id == "digit-1")
            assert connection.execute(statement).all() == []
        assert [act.action for _, act in acts(database, 1)] == ["delete request"]


def test_a_photo_with_the_camera(server: Server, chromium: Browser) -> None:
    """Last, since it would be the first to be labelled: it is no digit."""
    with window(chromium, server.url, permissions=["camera"]) as page:
        page.goto("/console/try")
        tab_to(page, "#camera")
        page.keyboard.press("Enter")
        expect(page.locator("#finder button.main")).to_be_enabled()
        page.keyboard.press("Enter")
        expect(page.locator("figcaption").first).to_have_text("camera.jpg")
        expect(page.locator("#finder")).to_be_hidden()
