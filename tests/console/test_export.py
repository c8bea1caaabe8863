"""An export is made for somebody who waits for it, and says how far it is."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from console.export import Exports
from console.progress import (
    Progress,
    Reached,
    StoppedError,
    end,
    progress_file,
    reached,
    stop,
)
from console.visit import Export, NotHereError

FOREVER = "import time; time.sleep(600)"


async def _waits() -> dict[str, Any]:
    await asyncio.get_running_loop().create_future()
    raise AssertionError


async def _goes() -> dict[str, Any]:
    return {"type": "http.disconnect"}


def export(code: str, progress: Path | None = None) -> Export:
    return Export(["-c", code], "text/plain", "x.txt", progress)


async def sent(made: Export) -> list[Mapping[str, Any]]:
    messages: list[Mapping[str, Any]] = []

    async def send(message: Mapping[str, Any]) -> None:
        messages.append(message)

    await Exports().send(_waits, send, made, [])
    return messages


@pytest.mark.anyio
async def test_the_file_is_sent_and_its_progress_says_that_it_ended(tmp_path: Path) -> None:
    name = "0123456789abcdef"
    progress = progress_file(tmp_path, name)
    assert progress is not None
    code = (
        "import json, sys; from pathlib import Path; "
        "Path(sys.argv[2]).write_text(json.dumps([3, 4, False])); "
        "Path(sys.argv[4]).write_bytes(b'content')"
    )
    messages = await sent(export(code, progress))
    assert b"".join(one.get("body", b"") for one in messages) == b"content"
    assert reached(progress) == Reached(3, 4, ended=True)


@pytest.mark.anyio
async def test_what_nobody_waits_for_any_more_is_ended() -> None:
    async def send(_: Mapping[str, Any]) -> None:
        raise AssertionError

    await asyncio.wait_for(Exports().send(_goes, send, export(FOREVER), []), 60)


@pytest.mark.anyio
async def test_a_failure_is_said_in_the_commands_own_words() -> None:
    with pytest.raises(NotHereError, match="no room"):
        await sent(export("print('no room'); raise SystemExit(1)"))


@pytest.mark.anyio
async def test_not_more_than_two_at_once() -> None:
    exports = Exports()
    running = [
        asyncio.ensure_future(exports.send(_waits, _waits, export(FOREVER), []))  # type: ignore[arg-type]
        for _ in range(2)
    ]
    await asyncio.sleep(0)
    with pytest.raises(NotHereError) as refused:
        await exports.send(_waits, _waits, export(FOREVER), [])  # type: ignore[arg-type]
    assert refused.value.status == 503
    for one in running:
        one.cancel()
    await asyncio.gather(*running, return_exceptions=True)


@pytest.mark.parametrize("name", ["", "../../etc/passwd", "0123456789ABCDEF", "0" * 17])
def test_a_name_that_no_page_has_chosen_is_no_file(tmp_path: Path, name: str) -> None:
    assert progress_file(tmp_path, name) is None


def test_progress_is_written_at_the_beginning_and_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "export-1.json"
    assert reached(path) is None
    tell = Progress(path, 3)
    assert reached(path) == Reached(0, 3)
    tell(3)
    assert reached(path) == Reached(3, 3)


def test_an_export_that_is_stopped_ends_at_its_next_step(tmp_path: Path) -> None:
    path = progress_file(tmp_path, "0123456789abcdef")
    assert path is not None
    tell = Progress(path, 3)
    stop(path)
    with pytest.raises(StoppedError):
        tell(3)
    end(path)
    # What is over, leaves nothing behind that could stop another.
    stop(path)
    assert [one.name for one in path.parent.iterdir()] == [path.name]
