"""Which path below /v2 asks what."""

import pytest

from errors import OverloadedError, UnauthorizedError
from serving.http.oip import (
    INDEX,
    INFER,
    MODEL,
    MODEL_READY,
    READY,
    SERVER,
    asked,
    is_below,
    oip_error,
)


@pytest.mark.parametrize(
    ("path", "route", "model"),
    [
        ("/v2", SERVER, ""),
        ("/v2/", SERVER, ""),
        ("/v2/health/ready", READY, ""),
        ("/v2/repository/index/", INDEX, ""),
        ("/v2/models/clf", MODEL, "clf"),
        ("/v2/models/clf/", MODEL, "clf"),
        ("/v2/models/clf/ready", MODEL_READY, "clf"),
        ("/v2/models/clf:champion/infer", INFER, "clf:champion"),
        ("/v2/models/clf/versions/a/infer/", INFER, "clf:a"),
        ("/v2/models/clf/versions/a", MODEL, "clf:a"),
        ("/v2/models/versions/infer", INFER, "versions"),
    ],
)
def test_a_path(path: str, route: object, model: str) -> None:
    found = asked(path)
    assert found is not None
    assert (found.route, found.model) == (route, model)


@pytest.mark.parametrize(
    "path",
    [
        *("/v2//", "/v2/models", "/v2/models/", "/v2/models//infer"),
        *("/v2/models//versions/a/infer", "/v2/models/clf/versions/a/b/infer"),
        *("/v2/models/clf/versions", "/v2/models/clf/versions/", "/v2/models/clf/versions//infer"),
        *("/v2/models/clf/infer/x", "/v2/models/clf/inferx", "/v2/models/clf//infer"),
        *("/v2/models/clf/infer//", "/v2/health", "/v2/models/" + "x" * 1000),
    ],
)
def test_no_path(path: str) -> None:
    assert asked(path) is None


def test_what_is_below() -> None:
    assert [is_below(path) for path in ("/v2", "/v2/", "/v2/x", "/v2x", "/v20/", "/v", "/")] == [
        *(True, True, True, False, False, False, False)
    ]


def test_an_error_keeps_its_headers() -> None:
    reply = oip_error(OverloadedError("Full.", "capacity", 3))
    assert (reply.status, reply.body) == (503, b'{"error":"Full."}')
    assert (b"retry-after", b"3") in reply.headers
    assert (b"content-length", b"17") in reply.headers
    assert (b"www-authenticate", b"Bearer") in oip_error(UnauthorizedError("No.")).headers
