"""A file that a process of its own writes, sent piece by piece and gone afterwards."""

import asyncio
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from starlette.types import Receive, Send

from console.progress import end
from console.visit import Export, NotHereError

_ROOT: Final = Path(__file__).resolve().parent.parent
_SECONDS: Final = 900.0
_PIECE: Final = 256 * 1024
_MOST_OUTPUT: Final = 400
_AT_ONCE: Final = 2

Headers = Sequence[tuple[bytes, bytes]]


class Exports:
    """Those of one worker."""

    def __init__(self) -> None:
        self._running = 0

    async def send(self, receive: Receive, send: Send, export: Export, headers: Headers) -> None:
        """Nothing if whoever asked has gone. Raises NotHereError, before anything is sent, if the
        command fails, or too many run already."""
        if self._running >= _AT_ONCE:
            raise NotHereError(503, "Other exports are being made: try again when they are done.")
        self._running += 1
        try:
            with tempfile.TemporaryDirectory(prefix="pupila-export-") as folder:
                path = Path(folder) / "export"
                if await _written(export, path, receive):
                    await _send(send, export, path, headers)
        finally:
            self._running -= 1
            if export.progress is not None:
                await asyncio.to_thread(end, export.progress)


async def _send(send: Send, export: Export, path: Path, headers: Headers) -> None:
    size = (await asyncio.to_thread(path.stat)).st_size
    known = [
        (b"content-type", export.type.encode()),
        (b"content-length", b"%d" % size),
        *headers,
    ]
    await send({"type": "http.response.start", "status": 200, "headers": known})
    with path.open("rb") as file:
        while piece := await asyncio.to_thread(file.read, _PIECE):
            await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def _written(export: Export, path: Path, receive: Receive) -> bool:
    """Whether it was written: not if whoever asked goes away before, and it shows."""
    progress = [] if export.progress is None else ["--progress", str(export.progress)]
    process = await asyncio.create_subprocess_exec(
        "nice",
        "-n",
        "19",
        sys.executable,
        *export.arguments,
        *progress,
        "--",
        str(path),
        cwd=_ROOT,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )
    ended = asyncio.ensure_future(process.communicate())
    gone = asyncio.ensure_future(_gone(receive))
    try:
        await asyncio.wait({ended, gone}, timeout=_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        if not ended.done():
            if gone.done():
                return False
            raise NotHereError(503, "The export took too long, so it was ended.")
        output, _ = ended.result()
    finally:
        # Also when the server ends.
        if process.returncode is None:
            process.kill()
            await asyncio.shield(process.wait())
        gone.cancel()
        ended.cancel()
    if process.returncode:
        lines = output.decode(errors="replace").strip().splitlines()
        if lines:
            raise NotHereError(409, lines[-1][:_MOST_OUTPUT])
        raise NotHereError(409, "The export failed.")
    return True


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
