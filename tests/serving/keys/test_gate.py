"""Who comes in: by route, scope and key, with and without keys on the server."""

import json
from collections.abc import Iterable

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route as AppRoute
from starlette.testclient import TestClient
from starlette.types import Message

from records.key import SCOPES, Scope
from serving.http.front import Front
from serving.http.route import Route
from serving.http.routes import HOT, METRICS, ROUTES
from serving.keys.caller import CALLER
from serving.keys.gate import Gate
from serving.keys.keyring import Keyring
from tests.serving.keys.made import bearer, made, request

# A path that two methods ask different scopes for; no route is like that yet.
DELETE = Route("delete", "/deletions", "Delete", "catalog", "operate", method="POST")
DELETIONS = Route("deletions", "/deletions", "What was deleted", "catalog", "read")
WITH_OPERATORS = (*ROUTES, DELETE, DELETIONS)
LOCAL = {"Host": "localhost:8000"}


def status(gate: Gate, *arguments: object, **named: object) -> int:
    """200 for a request that comes in."""
    refusal = gate(request(*arguments, **named))  # type: ignore[arg-type]
    return 200 if refusal is None else refusal.status


def closed(*scopes: Scope, routes: Iterable[Route] = WITH_OPERATORS) -> tuple[Gate, str]:
    secret, key = made("line-3", *scopes)
    ring = Keyring()
    ring.replace([key])
    return Gate(ring, routes=routes), secret


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("route", WITH_OPERATORS, ids=lambda route: route.name)
def test_each_route_by_each_scope(route: Route, scope: Scope) -> None:
    gate, secret = closed(scope)
    is_open = route.scope is None or route is METRICS
    paths = {route.path, route.path.rstrip("/") or "/", route.path.rstrip("/") + "/"}
    for path in paths:
        assert status(gate, path, method=route.method) == (200 if is_open else 401)
        wrong = bearer(made()[0])
        assert status(gate, path, wrong, method=route.method) == (200 if is_open else 401)
        wanted = 200 if is_open or scope == route.scope else 403
        assert status(gate, path, bearer(secret), method=route.method) == wanted


def test_a_refusal_names_the_scope_and_no_key() -> None:
    gate, secret = closed("predict")
    refusal = gate(request("/feedback/", bearer(secret)))
    assert refusal is not None
    assert json.loads(refusal.body) == {"detail": "The key line-3 lacks the scope label."}
    wrong = made()[0]
    for headers in ({}, bearer(wrong), {"X-API-Key": wrong}, {"Authorization": f"Token {wrong}"}):
        refusal = gate(request("/feedback/", headers))
        assert refusal is not None
        assert (b"www-authenticate", b"Bearer") in refusal.headers
        assert wrong.encode() not in refusal.body


def test_whose_key_it_was_is_noted() -> None:
    gate, secret = closed("predict")
    scope = request(headers=bearer(secret))
    assert gate(scope) is None
    assert scope[CALLER].key.name == "line-3"


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("/predict/clf", 403),
        ("/predict/clf/", 403),
        ("//predict", 403),
        ("/predict//", 403),
        ("/models/clf", 200),
        ("/models//", 200),
        ("/livez/", 200),
        ("/livez/x", 200),
        ("//", 200),
        ("/static_content/x.js", 200),
        ("/nothing", 200),
    ],
)
def test_a_path_that_the_table_does_not_have(path: str, wanted: int) -> None:
    gate, secret = closed("read")
    public = path.startswith(("/livez", "//")) and "predict" not in path
    assert status(gate, path) == (200 if public else 401)
    assert status(gate, path, bearer(secret)) == wanted


def test_a_method_that_the_path_does_not_have_needs_the_most() -> None:
    gate, secret = closed("read")
    assert status(gate, "/deletions", bearer(secret), method="GET") == 200
    assert status(gate, "/deletions", bearer(secret), method="HEAD") == 200
    for method in ("POST", "DELETE", "PUT"):
        assert status(gate, "/deletions", bearer(secret), method=method) == 403
    assert status(gate, "/deletions", method="OPTIONS") == 200


def test_a_server_without_keys_is_open_but_to_operators() -> None:
    gate = Gate(Keyring(), routes=WITH_OPERATORS)
    for route in WITH_OPERATORS:
        wanted = 403 if route.scope == "operate" else 200
        assert status(gate, route.path, method=route.method) == wanted
    assert status(gate, "/deletions", LOCAL) == 200
    assert status(gate, "/deletions", LOCAL, client=("10.0.0.5", 5)) == 403
    assert status(gate, "/deletions", LOCAL | {"X-Forwarded-For": "10.0.0.5"}) == 403
    refusal = gate(request("/deletions"))
    assert refusal is not None
    assert json.loads(refusal.body)["detail"].startswith("This is for operators, who must ask")


def test_with_keys_this_machine_needs_one_too() -> None:
    gate, _ = closed("operate")
    assert status(gate, "/deletions", LOCAL) == 401


def test_metrics_may_need_a_key() -> None:
    secret, key = made("line-3", "read")
    ring = Keyring()
    gate = Gate(ring, metrics_open=False)
    get = {"method": "GET"}
    assert status(gate, "/metrics", {"Host": "pupila"}, **get) == 403
    assert status(gate, "/metrics", LOCAL, **get) == 200
    ring.replace([key])
    assert status(gate, "/metrics", LOCAL, **get) == 401
    assert status(gate, "/metrics", bearer(secret), **get) == 200


def test_a_server_that_had_keys_stays_closed() -> None:
    secret, key = made()
    ring = Keyring()
    gate = Gate(ring)
    assert status(gate) == 200
    ring.replace([key])
    assert status(gate) == 401
    ring.replace([])
    assert status(gate) == 401
    assert status(gate, "/predict/", bearer(secret)) == 401


def test_required_keys_that_nobody_knows_yet() -> None:
    gate = Gate(Keyring(required=True))
    assert status(gate) == 401
    refusal = gate(request(headers=bearer(made()[0])))
    assert refusal is not None
    assert refusal.status == 503
    assert (b"retry-after", b"1") in refusal.headers


def test_too_many() -> None:
    secret, key = made("line-3", "predict", rate=1 / 3600)
    ring = Keyring()
    ring.replace([key])
    gate = Gate(ring)
    assert status(gate, "/predict/", bearer(secret)) == 200
    ring.replace([key])
    refusal = gate(request(headers=bearer(secret)))
    assert refusal is not None
    assert refusal.status == 429
    headers = dict(refusal.headers)
    assert headers[b"ratelimit-limit"] == b"1"
    assert headers[b"ratelimit-remaining"] == b"0"
    assert headers[b"ratelimit-reset"] == headers[b"retry-after"]
    assert 3500 <= int(headers[b"retry-after"]) <= 3600


async def test_a_refused_request_has_no_body_read() -> None:
    async def never() -> Message:
        raise AssertionError("the body was read")

    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    app = Front(Starlette(), {}, admit=closed("read")[0])
    for path in HOT:
        await app(request(path), never, send)
    assert [one.get("status") for one in sent] == [401, None] * len(HOT)


def test_a_refused_request_reaches_nobody() -> None:
    reached: list[str] = []

    async def endpoint(asked: Request) -> Response:
        reached.append(asked.url.path)
        return PlainTextResponse("x")

    gate, secret = closed("read")
    app = Starlette(routes=[AppRoute(route.path, endpoint, methods=["POST"]) for route in [DELETE]])

    with TestClient(Front(app, {}, admit=gate)) as client:
        for path in ("/deletions", *HOT, "/nothing"):
            assert client.post(path, content=b"x").status_code == 401
        assert client.post("/deletions", headers=bearer(secret)).status_code == 403
        assert client.post("/nothing", headers=bearer(secret)).status_code == 404
    assert reached == []
