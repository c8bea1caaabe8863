"""Which pages may ask, as the Fetch standard has it."""

import pytest
from starlette.types import Message, Scope

from serving.http.cors import Cors

PAGE = b"https://example.com"


def scope(method: str = "POST", **headers: bytes) -> Scope:
    named = [(name.replace("_", "-").encode(), value) for name, value in headers.items()]
    return {"type": "http", "method": method, "headers": named}


def preflight(origin: bytes) -> Scope:
    return scope("OPTIONS", origin=origin, access_control_request_method=b"POST")


async def headers(cors: Cors, asked: Scope) -> dict[bytes, bytes]:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    start = {"type": "http.response.start", "status": 200, "headers": []}
    await cors.marked(asked, send)(start)
    return dict(sent[0]["headers"])


@pytest.mark.parametrize(("origins", "told"), [(["https://example.com"], PAGE), (["*"], b"*")])
async def test_an_allowed_page(origins: list[str], told: bytes) -> None:
    cors = Cors(origins)
    reply = cors.preflight(preflight(PAGE))
    assert reply is not None
    assert (reply.status, reply.body) == (204, b"")
    assert dict(reply.headers)[b"access-control-allow-origin"] == told
    assert b"x-api-key" in dict(reply.headers)[b"access-control-allow-headers"]
    found = await headers(cors, scope(origin=PAGE))
    assert found[b"access-control-allow-origin"] == told
    assert b"x-model-version" in found[b"access-control-expose-headers"]


@pytest.mark.parametrize("origins", [[], ["https://other.com"], ["http://example.com"]])
async def test_another_page(origins: list[str]) -> None:
    reply = Cors(origins).preflight(preflight(PAGE))
    assert reply is not None
    assert reply.status == 403
    assert b"example.com" in reply.body
    assert b"access-control-allow-origin" not in await headers(Cors(origins), scope(origin=PAGE))


async def test_a_cache_keeps_the_answers_of_two_pages_apart() -> None:
    for asked in (scope(), scope(origin=PAGE), scope(origin=b"https://other.com")):
        assert (await headers(Cors(["https://example.com"]), asked))[b"vary"] == b"origin"


@pytest.mark.parametrize(
    "asked",
    [scope(origin=PAGE), scope("OPTIONS"), scope("OPTIONS", origin=PAGE)],
)
def test_any_other_request_is_no_preflight(asked: Scope) -> None:
    assert Cors(["*"]).preflight(asked) is None
