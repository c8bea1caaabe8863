"""What every endpoint does with a request, whatever it answers."""

import weakref
from collections.abc import Callable
from typing import Never

import pytest
from starlette.types import Message

from errors import InternalError, OverloadedError
from serving.endpoint import Endpoint, Exchange
from serving.http.routes import PREDICT
from serving.inference.admission import Admission
from settings import Settings
from tests.serving.test_predictions import SCOPE


class Body:
    """Something that a request holds."""


class Failing(Endpoint):
    route = PREDICT

    def __init__(self, error: Callable[[], Exception]) -> None:
        settings = Settings()
        super().__init__(settings, Admission(settings))
        self._error = error
        self.held: weakref.ref[Body] | None = None

    async def answer(self, *_: object) -> Never:
        body = Body()
        self.held = weakref.ref(body)
        cause, error = ValueError("it began so"), self._error()
        try:
            raise cause
        except ValueError:
            raise error from None

    def record(self, _exchange: Exchange, _status: int, _seconds: float) -> None:
        """Nothing."""


async def receive() -> Message:
    return {"type": "http.request", "body": b"{}", "more_body": False}


def full() -> Exception:
    return OverloadedError("Full.", "capacity")


def failing() -> Exception:
    return InternalError("It failed.")


def unexpected() -> Exception:
    return RuntimeError("nobody thought of this")


@pytest.mark.usefixtures("uncollected")
@pytest.mark.parametrize("error", [full, failing, unexpected])
async def test_what_a_failed_request_held_is_free_at_once(
    error: Callable[[], Exception],
) -> None:
    endpoint = Failing(error)
    reply = await endpoint(SCOPE, receive)
    assert endpoint.held is not None
    assert endpoint.held() is None
    assert reply.status in (500, 503)
