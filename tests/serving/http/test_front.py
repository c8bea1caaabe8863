"""What is outside of BentoML: the hot routes, and the one shape of every error."""

from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.testclient import TestClient
from starlette.types import ASGIApp, Receive, Scope, Send

from serving.http.cors import Cors
from serving.http.front import Answer, Front
from serving.http.reply import Reply

SERVER_FAILED = {"detail": "The server failed; its log has the reason."}


async def echo(_scope: Scope, receive: Receive) -> Reply:
    message = await receive()
    return Reply(200, [], message["body"])


ECHO: dict[str, Answer] = {"/predict/": echo}


def client(endpoint: Any, path: str = "/x", hot: dict[str, Answer] | None = None) -> TestClient:
    """An application behind the front."""
    app = Front(Starlette(routes=[Route(path, endpoint, methods=["POST"])]), hot or {})
    started = TestClient(app, raise_server_exceptions=False)
    with started:
        return started


def answer(response: Response) -> Any:
    async def endpoint(_: Request) -> Response:
        return response

    return client(endpoint).post("/x")


def test_a_good_answer_passes_untouched() -> None:
    got = answer(JSONResponse({"a": 1}, headers={"X-Model-Version": "clf:1"}))
    assert got.json() == {"a": 1}
    assert got.headers["x-model-version"] == "clf:1"


def test_a_stream_passes_untouched() -> None:
    assert answer(StreamingResponse(iter([b"a", b"b"]))).text == "ab"


@pytest.mark.parametrize(
    ("response", "detail"),
    [
        (JSONResponse({"error": "/etc/secret"}, 500), SERVER_FAILED["detail"]),
        (JSONResponse([{"error": "x"}], 400), "Bad Request."),
        (PlainTextResponse("Service is starting.", 503), "Service is starting."),
        (PlainTextResponse("", 418), "I'm a Teapot."),
        (StreamingResponse(iter(["half ", "and half"]), 502), SERVER_FAILED["detail"]),
    ],
)
def test_other_shapes_become_ours(response: Response, detail: str) -> None:
    got = answer(response)
    assert got.status_code == response.status_code
    assert got.json() == {"detail": detail}
    assert got.headers["content-type"] == "application/json"
    assert int(got.headers["content-length"]) == len(got.content)


def test_our_shape_passes_untouched() -> None:
    assert answer(JSONResponse({"detail": "Why."}, 400)).json() == {"detail": "Why."}


def test_an_exception_becomes_a_500_without_a_reason() -> None:
    async def endpoint(_: Request) -> Response:
        raise RuntimeError("secret")

    got = client(endpoint).post("/x")
    assert (got.status_code, got.json()) == (500, SERVER_FAILED)


def test_an_unknown_path() -> None:
    got = client(lambda _: Response()).get("/nothing")
    assert got.status_code == 404
    assert got.json() == {"detail": "Unknown path; /docs.json lists the known ones."}


def test_a_wrong_method() -> None:
    got = client(lambda _: Response()).get("/x")
    assert got.status_code == 405
    assert got.json() == {"detail": "/x accepts POST only."}
    assert got.headers["allow"] == "POST"


@pytest.mark.parametrize("path", ["/predict/", "/predict"])
def test_predict_is_answered_before_the_application(path: str) -> None:
    async def never(_: Request) -> Response:
        raise AssertionError("the application was asked")

    got = client(never, "/predict/", ECHO).post(path, content=b"body")
    assert (got.status_code, got.content) == (200, b"body")


@pytest.mark.parametrize("path", ["/predict/", "/predict"])
def test_predict_is_the_applications_where_there_is_no_endpoint(path: str) -> None:
    async def endpoint(request: Request) -> Response:
        return PlainTextResponse(str(request.headers.get("content-type")))

    got = client(endpoint, "/predict/").post(path, json={}, follow_redirects=False)
    assert (got.status_code, got.text) == (200, "None")


def test_other_methods_of_predict_are_the_applications() -> None:
    got = client(lambda _: Response(), "/predict/", ECHO).get("/predict")
    assert (got.status_code, got.json()) == (405, {"detail": "/predict/ accepts POST only."})


def test_an_unknown_path_does_not_reach_the_middlewares() -> None:
    seen: list[str] = []

    class Counting:
        """Keeps what it sees, as BentoML's metrics do."""

        def __init__(self, app: ASGIApp) -> None:
            self._app = app

        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "http":
                seen.append(scope["path"])
            await self._app(scope, receive, send)

    async def endpoint(_: Request) -> Response:
        return PlainTextResponse("x")

    app = Starlette(routes=[Route("/x", endpoint)], middleware=[Middleware(Counting)])
    with TestClient(Front(app, {})) as started:
        assert [started.get(path).status_code for path in ("/x", "/y", "/y/z")] == [200, 404, 404]
    assert seen == ["/x"]


def test_it_can_start_again(tmp_path: Path) -> None:
    (tmp_path / "there.txt").write_text("there")
    app = Front(Starlette(routes=[Mount("/static", StaticFiles(directory=tmp_path))]), ECHO)
    for _ in range(2):
        with TestClient(app) as started:
            assert started.post("/predict", content=b"x").content == b"x"
            assert started.get("/static/there.txt").text == "there"
            assert started.get("/static/other.txt").status_code == 404


@pytest.mark.parametrize("path", ["/predict/", "/x", "/nothing"])
def test_a_draining_server_sends_its_clients_elsewhere(path: str) -> None:
    draining = False

    async def endpoint(_: Request) -> Response:
        return JSONResponse({})

    app = Front(Starlette(routes=[Route("/x", endpoint, methods=["POST"])]), ECHO, lambda: draining)
    with TestClient(app) as asking:
        assert "connection" not in asking.post(path).headers
        draining = True
        assert asking.post(path).headers["connection"] == "close"


@pytest.mark.parametrize("path", ["/predict/", "/predict/clf", "/x", "/nowhere", "/models"])
@pytest.mark.parametrize(("origins", "status"), [([], 403), (["https://a.com"], 204)])
def test_a_preflight_is_answered_on_every_path(path: str, origins: list[str], status: int) -> None:
    app = Front(Starlette(), ECHO, cors=Cors(origins))
    asked = {"origin": "https://a.com", "access-control-request-method": "POST"}
    got = TestClient(app).options(path, headers=asked)
    assert got.status_code == status
    assert got.headers.get("access-control-allow-origin") == (origins[0] if origins else None)


@pytest.mark.parametrize("path", ["/predict/", "/nowhere"])
def test_a_page_of_an_allowed_origin_may_read_every_answer(path: str) -> None:
    app = Front(Starlette(), ECHO, cors=Cors(["https://a.com"]))
    got = TestClient(app).post(path, content=b"a", headers={"origin": "https://a.com"})
    assert got.headers["access-control-allow-origin"] == "https://a.com"


@pytest.mark.parametrize("status", [200, 503])
@pytest.mark.parametrize("path", ["/predict/", "/x"])
def test_a_drain_that_begins_before_the_answer_is_sent(path: str, status: int) -> None:
    draining = False

    async def hot(_scope: Scope, _receive: Receive) -> Reply:
        nonlocal draining
        draining = True
        return Reply(status, [], b"{}")

    async def endpoint(_: Request) -> Response:
        nonlocal draining
        draining = True
        return JSONResponse({}, status)

    app = Front(Starlette(routes=[Route("/x", endpoint)]), {"/predict/": hot}, lambda: draining)
    with TestClient(app) as asking:
        got = asking.request("POST" if path == "/predict/" else "GET", path)
    assert (got.status_code, got.headers["connection"]) == (status, "close")
