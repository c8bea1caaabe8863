"""An application that is made by its first request, and once."""

import asyncio

import pytest
from starlette.types import Message, Receive, Scope, Send

from serving.http.deferred import Deferred


@pytest.mark.anyio
async def test_it_is_made_once_whoever_comes_first() -> None:
    made: list[str] = []
    asked: list[str] = []

    async def app(scope: Scope, _receive: Receive, _send: Send) -> None:
        asked.append(scope["path"])

    def make() -> object:
        made.append("app")
        return app

    async def receive() -> Message:
        return {"type": "http.request"}

    async def send(_: Message) -> None:
        pass

    deferred = Deferred(make)  # type: ignore[arg-type]
    assert made == []
    await asyncio.gather(*(deferred({"path": path}, receive, send) for path in "abc"))
    assert made == ["app"]
    assert sorted(asked) == ["a", "b", "c"]


@pytest.mark.anyio
async def test_what_cannot_be_made_is_tried_again() -> None:
    tries: list[int] = []

    async def app(_scope: Scope, _receive: Receive, _send: Send) -> None:
        pass

    def make() -> object:
        tries.append(1)
        if len(tries) == 1:
            raise OSError("the disk is away")
        return app

    async def receive() -> Message:
        return {"type": "http.request"}

    async def send(_: Message) -> None:
        pass

    deferred = Deferred(make)  # type: ignore[arg-type]
    with pytest.raises(OSError, match="away"):
        await deferred({}, receive, send)
    await deferred({}, receive, send)
    assert len(tries) == 2
