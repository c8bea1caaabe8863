"""Whatever an application answers as an error, the client gets one shape."""

from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from errors import BadRequestError, BodyTooLargeError, OverloadedError
from serving.faults import Faults, fault_response

SERVER_FAILED = {"detail": "The server failed; its log has the reason."}


def client(endpoint: Any, path: str = "/x") -> TestClient:
    app = Starlette(routes=[Route(path, endpoint, methods=["POST"])])
    return TestClient(Faults(app), raise_server_exceptions=False)


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
    assert answer(fault_response(BadRequestError("Why."))).json() == {"detail": "Why."}


def test_an_exception_becomes_a_500_and_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def endpoint(_: Request) -> Response:
        raise RuntimeError("secret")

    got = TestClient(Faults(endpoint_app(endpoint)), raise_server_exceptions=False).post("/x")
    assert (got.status_code, got.json()) == (500, SERVER_FAILED)
    assert "secret" in caplog.text


def endpoint_app(endpoint: Any) -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await (await endpoint(Request(scope, receive)))(scope, receive, send)

    return app


def test_an_unknown_path() -> None:
    got = client(lambda _: Response()).get("/nothing")
    assert got.status_code == 404
    assert got.json() == {"detail": "There is no such path; /docs.json lists those there are."}


def test_a_wrong_method() -> None:
    got = client(lambda _: Response()).get("/x")
    assert got.status_code == 405
    assert got.json() == {"detail": "/x takes POST only."}
    assert got.headers["allow"] == "POST"


def test_predict_needs_no_slash_and_no_redirect() -> None:
    async def endpoint(_: Request) -> Response:
        return PlainTextResponse("here")

    got = client(endpoint, "/predict/").post("/predict", follow_redirects=False)
    assert (got.status_code, got.text) == (200, "here")


def test_retry_after_is_said() -> None:
    assert fault_response(OverloadedError("Full.", retry_after=3)).headers["retry-after"] == "3"


def test_the_rest_of_a_large_body_is_not_wanted() -> None:
    assert fault_response(BodyTooLargeError("Large.")).headers["connection"] == "close"
