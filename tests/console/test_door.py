"""Who may see what: with keys and without, with records and without."""

import re
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import httpx2
import pytest

from models.store import Store
from records.database import Database
from records.key import Key, Scope, digest_of, new_secret
from records.keys import create
from settings import Settings
from tests.drafts import LinearDraft
from tests.servers import NO_TLS, ROOT, Server, serve
from tests.test_layout import loaded, read
from tests.waiting import PATIENCE_SECONDS, until

PAGES = ("label", "watch", "versions", "data")


def client(server: Server) -> httpx2.Client:
    """With cookies, as a browser has them."""
    return httpx2.Client(
        base_url=server.url, timeout=PATIENCE_SECONDS, verify=NO_TLS, trust_env=False
    )


def token(page: httpx2.Response) -> str:
    found = re.search(r'name="token" value="([^"]+)"', page.text)
    assert found is not None
    return found[1]


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, dict[str, str]]]:
    """A server with keys, and their secrets by what they may."""
    home = tmp_path_factory.mktemp("keyed")
    store = Store(home / "models")
    store.save(LinearDraft())
    store.save(LinearDraft("other"))
    secrets: dict[str, str] = {}
    with Database.of(Settings(home=home / "pupila"), create=True) as database:
        database.prepare()
        scopes: dict[str, tuple[tuple[Scope, ...], tuple[str, ...] | None]] = {
            "ann": (("predict", "label"), None),
            "bob": (("operate",), None),
            "eve": (("predict", "read"), None),
            "one": (("label",), ("other",)),
        }
        for name, (allowed, models) in scopes.items():
            secrets[name] = new_secret()
            digest = digest_of(secrets[name].encode()) or b""
            create(database, Key(name, digest, allowed, datetime.now(UTC), models=models))
    with serve(home, workers=2) as server:
        until(lambda: server.get("/models").status_code == 401, "the keys")
        yield server, secrets


def logged_in(server: Server, secret: str) -> httpx2.Client:
    browser = client(server)
    page = browser.get("/console/login")
    answer = browser.post(
        "/console/login", data={"token": token(page), "key": secret, "to": "/console/label"}
    )
    assert answer.status_code == 303, answer.text
    return browser


def test_without_a_key_every_page_leads_to_the_login(keyed: tuple[Server, dict[str, str]]) -> None:
    server, _ = keyed
    for page in ("", "try", *PAGES):
        answer = server.get(f"/console/{page}")
        assert answer.status_code == 303
        assert answer.headers["location"].startswith("/console/login")
        assert answer.headers["cache-control"] == "no-store"


def test_a_key_opens_every_page_on_every_worker(keyed: tuple[Server, dict[str, str]]) -> None:
    server, secrets = keyed
    with closing(logged_in(server, secrets["ann"])) as browser:
        for page in PAGES * 3:
            answer = browser.get(f"/console/{page}", headers={"connection": "close"})
            assert answer.status_code == 200
            assert answer.headers["cache-control"] == "no-store"


def test_scripts_cannot_read_the_cookie_and_it_is_no_key(
    keyed: tuple[Server, dict[str, str]],
) -> None:
    server, secrets = keyed
    with client(server) as browser:
        page = browser.get("/console/login")
        answer = browser.post(
            "/console/login", data={"token": token(page), "key": secrets["ann"], "to": "//evil"}
        )
    cookie = answer.headers["set-cookie"]
    assert answer.headers["location"] == "/console/"
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert secrets["ann"] not in cookie


@pytest.mark.parametrize(("name", "status"), [("eve", 403), ("nobody", 401)])
def test_another_key_opens_nothing(
    keyed: tuple[Server, dict[str, str]], name: str, status: int
) -> None:
    server, secrets = keyed
    with client(server) as browser:
        page = browser.get("/console/login")
        fields = {"token": token(page), "key": secrets.get(name, new_secret())}
        answer = browser.post("/console/login", data=fields)
        assert answer.status_code == status
        assert browser.get("/console/label").status_code == 303


def test_who_may_label_may_not_operate(keyed: tuple[Server, dict[str, str]]) -> None:
    server, secrets = keyed
    with closing(logged_in(server, secrets["ann"])) as browser:
        fields = {"token": token(browser.get("/console/label")), "model": "clf"}
        rollback = fields | {"what": "rollback", "because": "x"}
        assert browser.post("/console/versions", data=rollback).status_code == 403
        deletion = fields | {"what": "delete", "request_id": "1", "sure": "yes"}
        assert browser.post("/console/data", data=deletion).status_code == 403


def test_who_may_operate_may_not_label(keyed: tuple[Server, dict[str, str]]) -> None:
    server, secrets = keyed
    with closing(logged_in(server, secrets["bob"])) as browser:
        fields = {"token": token(browser.get("/console/data")), "model": "clf", "id": "1"}
        assert browser.post("/console/label", data=fields | {"label": "1"}).status_code == 403


def test_a_key_for_one_model_sees_that_one_alone(keyed: tuple[Server, dict[str, str]]) -> None:
    server, secrets = keyed
    with closing(logged_in(server, secrets["one"])) as browser:
        page = browser.get("/console/versions?model=clf").text
    assert "other" in page
    assert "clf:" not in page


def test_the_token_of_another_visitor_is_refused(keyed: tuple[Server, dict[str, str]]) -> None:
    server, secrets = keyed
    with (
        closing(logged_in(server, secrets["ann"])) as ann,
        closing(logged_in(server, secrets["bob"])) as bob,
    ):
        fields = {"token": token(ann.get("/console/label")), "model": "clf", "what": "rollback"}
        assert bob.post("/console/versions", data=fields | {"because": "x"}).status_code == 403


def test_logging_out_ends_it(keyed: tuple[Server, dict[str, str]]) -> None:
    server, secrets = keyed
    with closing(logged_in(server, secrets["ann"])) as browser:
        fields = {"token": token(browser.get("/console/label"))}
        browser.post("/console/logout", data=fields)
        assert browser.get("/console/label").status_code == 303


def test_nothing_of_it_is_imported_before_the_first_visit() -> None:
    modules = read(ROOT)
    assert "console.app" in modules["service"].anywhere
    assert [name for name in loaded("service", modules) if name.startswith("console")] == []


def test_without_records_there_is_only_try(tmp_path: Path) -> None:
    Store(tmp_path / "models").save(LinearDraft())
    with serve(tmp_path, record="false") as server:
        page = server.get("/console/")
        assert page.status_code == 200
        assert 'href="/console/label"' not in page.text
        assert server.get("/console/label").status_code == 404


def test_without_a_console_the_document_is_at_both(tmp_path: Path) -> None:
    Store(tmp_path / "models").save(LinearDraft())
    with serve(tmp_path, record="false", console="false") as server:
        assert server.get("/").status_code == server.get("/docs").status_code == 200
        assert "swagger" in server.get("/").text
        assert server.get("/console/").status_code == 404
