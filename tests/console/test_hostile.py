"""What strangers sent is shown as text, and what they forged is refused."""

import base64
import http.server
import io
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest
from PIL import Image
from playwright.sync_api import Browser, FilePayload, Page, expect

from console.pages.table import ROUTES
from models.store import Store
from records.champions import promote
from records.decisions import history
from records.rollouts import rollouts
from tests.console.browsers import browser, window
from tests.console.payloads import HOSTILE
from tests.console.scene import kept, records
from tests.drafts import LinearDraft
from tests.servers import NO_TLS, Server, serve
from tests.waiting import until

SVG = (
    b'<svg xmlns="http://www.w3.org/2000/svg" onload="window.pwned=1">'
    b"<script>window.pwned=1</script></svg>"
)


def image(description: str) -> bytes:
    """A JPEG whose EXIF says something."""
    exif = Image.Exif()
    exif[0x010E] = description
    exif[0x013B] = description
    buffer = io.BytesIO()
    Image.new("L", (8, 8), 90).save(buffer, "JPEG", exif=exif, comment=description.encode()[:60])
    return buffer.getvalue()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A model whose classes are hostile; requests, labels, reasons and files that are too."""
    home = tmp_path_factory.mktemp("hostile")
    store = Store(home / "models")
    # Beside the ids of requests below, so that each is a class, an id and a label.
    older = store.save(LinearDraft(labels=HOSTILE, seed=1))
    store.save(LinearDraft(labels=HOSTILE, seed=2))
    with serve(home, record_unsure=1.0) as running:
        items = [
            {"request_id": text[:128], "image": base64.b64encode(image(text)).decode()}
            for text in HOSTILE
        ]
        items.append({"request_id": "svg", "image": base64.b64encode(SVG).decode()})
        answer = running.post("/predict/batch/", json={"model": "clf", "items": items})
        assert answer.status_code == 200
        until(lambda: kept(running, len(items)), "the predictions in the database")
        labels = [
            {"request_id": text[:128], "label": text, "source": text[:100]} for text in HOSTILE[:40]
        ]
        assert running.post("/feedback/", json=labels).status_code == 200
        with records(running) as database:
            promote(
                database, "clf", older.version, actor=HOSTILE[0], because=HOSTILE[6], answering=None
            )
        yield running


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as running:
        yield running


def unharmed(page: Page) -> None:
    assert page.evaluate("window.pwned") is None


def test_there_are_many() -> None:
    assert len(set(HOSTILE)) == len(HOSTILE) >= 50


def test_no_page_runs_what_was_sent(server: Server, chromium: Browser) -> None:
    with window(chromium, server.url) as page:
        page.on("dialog", lambda dialog: pytest.fail(dialog.message))
        for path in ("try", "label", "watch", "versions", "data"):
            page.goto(f"/console/{path}")
            unharmed(page)
        page.goto("/console/data")
        for link in page.locator("tbody a").all()[:3]:
            with page.expect_response(lambda one: "class=" in one.url):
                page.goto(str(link.evaluate("(one) => one.href")))
            unharmed(page)
            page.goto("/console/data")
        # As a text, character by character, and not as an element.
        expect(page.locator("tbody th").first).to_have_text(HOSTILE[0])


def test_the_queue_shows_hostile_classes_and_labels_one(server: Server, chromium: Browser) -> None:
    with window(chromium, server.url) as page:
        page.goto("/console/label")
        texts = page.locator(".classes button").evaluate_all("(all) => all.map((one) => one.value)")
        assert texts == list(HOSTILE[: len(texts)])
        page.keyboard.press("1")
        expect(page.locator("#saving")).to_have_text("all saved")
        unharmed(page)


def test_a_file_may_have_any_name(server: Server, chromium: Browser, tmp_path: Path) -> None:
    with window(chromium, server.url) as page:
        page.goto("/console/try")
        for text in (HOSTILE[0], HOSTILE[6], HOSTILE[7], "$(touch x)'\"`.png"):
            content: FilePayload = {"name": text, "mimeType": "image/jpeg", "buffer": image(text)}
            page.set_input_files("#image", files=[content])
            expect(page.locator("figcaption").first).to_be_visible()
            unharmed(page)


def test_an_svg_is_no_image(server: Server, chromium: Browser) -> None:
    with window(chromium, server.url, java_script_enabled=False) as page:
        page.goto("/console/try")
        content: FilePayload = {"name": "x.svg", "mimeType": "image/svg+xml", "buffer": SVG}
        page.set_input_files("#image", files=[content])
        page.locator("button.send").click()
        expect(page.locator(".notice.alarm")).to_contain_text("Invalid image data")
    answer = server.get(f"/console/image/{len(HOSTILE) + 1}")
    assert answer.status_code == 415
    assert "svg" not in answer.headers["content-type"]


@pytest.mark.parametrize("number", [1, 20, 60])
def test_images_have_the_type_of_an_image_and_may_run_nothing(server: Server, number: int) -> None:
    answer = server.get(f"/console/image/{number}")
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")


@contextmanager
def elsewhere(page: bytes) -> Iterator[str]:
    """Another site, with this page."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(page)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as site:
        threading.Thread(target=site.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{site.server_address[1]}"
        site.shutdown()


def test_a_page_of_another_site_changes_nothing(server: Server, chromium: Browser) -> None:
    form = (
        f'<form method="post" action="{server.url}/console/versions">'
        '<input name="model" value="clf"><input name="what" value="rollback">'
        '<input name="because" value="forged"></form><script>document.forms[0].submit()</script>'
    )
    with chromium.new_context() as context, elsewhere(form.encode()) as other:
        fresh = context.new_page()
        fresh.goto(f"{server.url}/console/versions")
        fresh.goto(other)
        fresh.wait_for_url("**/console/versions")
        assert "another site" in fresh.content()
    with records(server) as database:
        assert rollouts(database, "clf") == []
        assert "forged" not in [one.because for one in history(database, "clf")]


@pytest.mark.parametrize("page", sorted({page for method, page in ROUTES if method == "POST"}))
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
def test_a_form_without_its_token_is_refused(
    server: Server, page: str, headers: dict[str, str]
) -> None:
    answer = httpx2.post(
        f"{server.url}/console/{page}",
        data={"model": "clf", "what": "rollback", "because": "forged", "label": "x", "id": "1"},
        headers=headers,
        trust_env=False,
    )
    assert answer.status_code == 403


def test_an_id_that_breaks_json_or_a_header_is_an_id(server: Server) -> None:
    page = server.get("/console/data").text
    assert "Set-Cookie: pwned" not in json.dumps(dict(server.get("/console/data").headers))
    assert "<script>window" not in page


@pytest.mark.parametrize(
    "headers", [{"host": "evil.example"}, {"x-forwarded-for": "10.0.0.1"}, {"via": "1.1 proxy"}]
)
def test_without_keys_others_may_only_try(server: Server, headers: dict[str, str]) -> None:
    with httpx2.Client(base_url=server.url, verify=NO_TLS, trust_env=False) as browser:
        page = browser.get("/console/", headers=headers)
        assert page.status_code == 200
        assert 'href="/console/try"' in page.text
        assert 'href="/console/label"' not in page.text
        for name in ("label", "watch", "versions", "data"):
            assert browser.get(f"/console/{name}", headers=headers).status_code == 403
        assert browser.get("/console/image/1", headers=headers).status_code == 403
