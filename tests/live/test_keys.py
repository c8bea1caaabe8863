"""Keys on a running server: who gets what, on every route, and how soon a change is seen."""

import base64
import json
import re
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

from models.store import Store
from records.key import SCOPES
from serving.http.route import Route
from serving.http.routes import METRICS, ROUTES
from tests.databases import postgres_server
from tests.drafts import LinearDraft
from tests.forking import command
from tests.servers import NO_TLS, ROOT, Server, environment, free_port, serve
from tests.waiting import PATIENCE_SECONDS, until

BODY = json.loads(Path("tests/data/predict_digit8.json").read_bytes())


def keys(home: Path, *arguments: str, **settings: object) -> str:
    """``python -m keys``, and what it prints on stdout."""
    done = command("keys", *arguments, env=environment(home, **settings))
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def create(home: Path, name: str, scopes: str, *more: str, **settings: object) -> str:
    return keys(home, "create", "--name", name, "--scope", scopes, *more, **settings)


def ask(
    server: Server,
    secret: str | None,
    route: str = "/predict/",
    method: str = "POST",
    **more: object,
) -> httpx2.Response:
    headers = {"Authorization": f"Bearer {secret}"} if secret else {}
    with httpx2.Client(
        base_url=server.url, timeout=PATIENCE_SECONDS, verify=NO_TLS, trust_env=False
    ) as client:
        body = {"json": BODY} if method == "POST" else {}
        return client.request(method, route, **{"headers": headers, **body, **more})


@dataclass(frozen=True)
class Keyed:
    """A server with two workers, and the secret of a key for each scope."""

    server: Server
    secrets: Mapping[str, str]


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keyed]:
    home = tmp_path_factory.mktemp("keyed")
    store = Store(home / "models")
    store.save(LinearDraft(answer=8))
    store.save(LinearDraft("pets", labels=("cat", "dog")))
    secrets: dict[str, str] = {scope: create(home, f"for-{scope}", scope) for scope in SCOPES}
    secrets["pets"] = create(home, "for-pets", "predict,label,read", "--model", "pets")
    with serve(home, workers=2, access_log_rate=1.0) as server:
        yield Keyed(server, secrets)
        log = server.log.read_text()
        assert not [name for name, secret in secrets.items() if secret in log]
        assert "pupila_" not in re.sub(r"pupila_\w{1,40}\b", "", log)


@pytest.mark.parametrize("scope", ["none", "wrong", *SCOPES])
@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_each_route_by_each_scope(keyed: Keyed, route: Route, scope: str) -> None:
    wrong = "pupila_" + "A" * 43
    secret = {"none": None, "wrong": wrong}.get(scope, keyed.secrets.get(scope))
    answer = ask(keyed.server, secret, route.path, route.method)
    if route.scope is None or route is METRICS or scope == route.scope:
        # Whoever comes in gets the route's own answer, be it to a body that it does not take.
        assert answer.status_code in (200, 303, 307, 400, 404)
        return
    assert answer.status_code == (401 if scope in ("none", "wrong") else 403)
    name = "error" if route.path.startswith("/v2") else "detail"
    assert list(answer.json()) == [name]
    if answer.status_code == 401:
        assert answer.headers["www-authenticate"] == "Bearer"
    else:
        assert answer.json() == {name: f"The key for-{scope} lacks the scope {route.scope}."}
    assert wrong not in answer.text


def test_each_way_to_send_a_key(keyed: Keyed) -> None:
    secret = keyed.secrets["predict"]
    basic = base64.b64encode(f"label-studio:{secret}".encode()).decode()
    for headers in (
        {"Authorization": f"Bearer {secret}"},
        {"authorization": f"bearer {secret}"},
        {"X-API-Key": secret},
        {"Authorization": f"Basic {basic}"},
    ):
        assert ask(keyed.server, None, headers=headers).json()["prediction"] == 8
    answer = ask(keyed.server, None, f"/predict/?key={secret}")
    assert answer.status_code == 401


def test_a_key_for_one_model(keyed: Keyed) -> None:
    server, secret = keyed.server, keyed.secrets["pets"]
    answer = ask(server, secret)
    assert answer.status_code == 403
    assert answer.json() == {"detail": "The key for-pets is not for the model clf.pickle."}
    assert ask(server, secret, json=BODY | {"model": "pets"}).status_code == 200
    listed = ask(server, secret, "/models", "GET").json()["models"]
    assert [model["name"] for model in listed] == ["pets"]


def test_a_wrong_key_is_answered_before_its_body_is_sent(keyed: Keyed) -> None:
    address = ("127.0.0.1", int(keyed.server.url.rpartition(":")[2]))
    head = (
        b"POST /predict/ HTTP/1.1\r\nHost: x\r\nX-API-Key: wrong\r\nContent-Length: 9999999\r\n\r\n"
    )
    with socket.create_connection(address, PATIENCE_SECONDS) as client:
        client.sendall(head)
        assert client.recv(100).startswith(b"HTTP/1.1 401 ")
    assert ask(keyed.server, keyed.secrets["predict"]).status_code == 200


def test_a_label_is_its_keys(keyed: Keyed) -> None:
    label = {"request_id": "labelled", "label": 8, "model": "clf", "image": BODY["image"]}
    answer = ask(keyed.server, keyed.secrets["label"], "/feedback/", json=label | {"source": "x"})
    assert answer.status_code == 200
    listed = json.loads(keys(keyed.server.home, "list", "--json"))

    def counted() -> bool:
        nonlocal listed
        listed = json.loads(keys(keyed.server.home, "list", "--json"))
        return any(key["name"] == "for-label" and key["used_today"] for key in listed)

    until(counted, "the label to be counted")


def everywhere(server: Server, secret: str | None, status: int) -> bool:
    """Whether as many requests as reach both workers all get that status."""
    return all(ask(server, secret).status_code == status for _ in range(24))


def test_a_change_is_seen_by_every_worker(keyed: Keyed) -> None:
    server = keyed.server
    first = create(server.home, "changing", "predict")
    until(lambda: everywhere(server, first, 200), "the new key")
    second = keys(server.home, "rotate", "changing")
    until(lambda: everywhere(server, second, 200), "the rotated key")
    assert everywhere(server, first, 401)
    keys(server.home, "revoke", "changing")
    until(lambda: everywhere(server, second, 401), "the end of the key")
    assert ask(server, second).json() == {"detail": "The key was revoked."}


def test_a_rate_and_a_day(keyed: Keyed) -> None:
    server = keyed.server
    slow = create(server.home, "slow", "predict", "--rate", "1/h")
    few = create(server.home, "few", "predict", "--daily", "5")
    until(lambda: ask(server, slow).status_code != 401, "the slow key")
    until(lambda: ask(server, slow).status_code == 429, "its limit")
    answer = until(lambda: last_of(server, few), "the end of a day's")
    assert answer is not None
    assert answer.json()["detail"].startswith("The key few has used up its 5 a day; try again on")
    assert answer.headers["ratelimit-limit"] == "5"
    assert answer.headers["ratelimit-remaining"] == "0"
    assert answer.headers["ratelimit-reset"] == answer.headers["retry-after"]


def last_of(server: Server, secret: str) -> httpx2.Response | None:
    answer = ask(server, secret)
    return answer if answer.status_code == 429 else None


def test_refusals_are_counted_by_route(keyed: Keyed) -> None:
    ask(keyed.server, None)
    until(
        lambda: re.search(
            r'pupila_requests_total\{model="",route="/predict/",status="401",version=""\} [1-9]',
            ask(keyed.server, None, "/metrics", "GET").text,
        ),
        "the refusals in the metrics",
    )


@pytest.fixture
def home(tmp_path: Path) -> Path:
    Store(tmp_path / "models").save(LinearDraft(answer=8))
    return tmp_path


def test_a_file_for_a_server_without_a_database(home: Path) -> None:
    file = home / "keys"
    secret = create(home, "line-3", "predict", keys_file=file)
    with serve(home, keys_file=file, record="false", metrics_open="false") as server:
        assert ask(server, secret).status_code == 200
        assert ask(server, None).status_code == 401
        assert ask(server, None, "/metrics", "GET").status_code == 401
        other = create(home, "other", "read", keys_file=file)
        until(lambda: ask(server, other, "/metrics", "GET").status_code == 200, "the new key")
        file.write_text("broken")
        until(lambda: "line 1: it is not JSON" in server.log.read_text(), "a line in the log")
        assert ask(server, secret).status_code == 200


def started(home: Path, **settings: object) -> str:
    """What a server says that ends by itself."""
    done = subprocess.run(
        [str(Path(sys.executable).with_name("bentoml")), "serve"],
        cwd=ROOT,
        env=environment(home, **settings) | {"PORT": str(free_port())},
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_SECONDS,
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    return done.stderr


def test_a_broken_file_ends_the_start_with_one_sentence(home: Path) -> None:
    (home / "keys").write_text("\nbroken\n")
    assert f"{home}/keys, line 2: it is not JSON." in started(home, keys_file=home / "keys")
    assert "cannot be read: No such file" in started(home, keys_file=home / "absent")


def test_a_database_that_goes_away_opens_and_closes_nothing(home: Path) -> None:
    with postgres_server() as postgres:
        url = postgres.database()
        secret = create(home, "line-3", "predict", database_url=url)
        with serve(home, database_url=url) as server:
            assert "Keys are required: 1 may be used." in server.log.read_text()
            assert ask(server, secret).status_code == 200
            postgres.stop()
            for _ in range(20):
                assert ask(server, None).status_code == 401
                assert ask(server, secret).status_code == 200
        with serve(home, database_url=url) as server:
            assert ask(server, None).status_code == 401
            assert ask(server, secret).status_code == 200
        (home / "pupila" / "known-keys").unlink()
        with serve(home, database_url=url, require_keys="true") as server:
            assert ask(server, None).status_code == 401
            answer = ask(server, secret)
            assert answer.status_code == 503
            assert answer.headers["retry-after"] == "1"
            postgres.start()
            until(lambda: ask(server, secret).status_code == 200, "the keys")


def test_a_server_without_keys_says_so_and_is_closed_by_the_first(home: Path) -> None:
    with serve(home) as server:
        assert (
            server.log.read_text().count("No keys: anyone who reaches this port may predict") == 1
        )
        assert ask(server, None).status_code == 200
        secret = create(home, "line-3", "predict")
        until(lambda: ask(server, None).status_code == 401, "a closed server")
        assert ask(server, secret).status_code == 200
        keys(home, "revoke", "line-3")
        until(lambda: ask(server, secret).status_code == 401, "the end of the key")
        assert ask(server, None).status_code == 401
    with serve(home) as server:
        assert ask(server, None).status_code == 401
