"""A file that a process of its own writes, sent piece by piece and gone afterwards."""

import asyncio
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from starlette.types import Send

from console.visit import Export, NotHereError

_ROOT: Final = Path(__file__).resolve().parent.parent
_SECONDS: Final = 900.0
_PIECE: Final = 256 * 1024
_MOST_OUTPUT: Final = 400

Headers = Sequence[tuple[bytes, bytes]]


async def send_export(send: Send, export: Export, headers: Headers) -> None:
    """Raises NotHereError, before anything is sent, if the command fails."""
    with tempfile.TemporaryDirectory(prefix="pupila-export-") as folder:
        path = Path(folder) / "export"
        await _write(export, path)
        known = [
            (b"content-type", export.type.encode()),
            (b"content-length", b"%d" % path.stat().st_size),
            *headers,
        ]
        await send({"type": "http.response.start", "status": 200, "headers": known})
        with path.open("rb") as file:
            while piece := await asyncio.to_thread(file.read, _PIECE):
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


async def _write(export: Export, path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        "nice",
        "-n",
        "19",
        sys.executable,
        *export.arguments,
        str(path),
        cwd=_ROOT,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        output, _ = await asyncio.wait_for(process.communicate(), _SECONDS)
    except BaseException:
        # Also when the client has gone, or the server ends.
        if process.returncode is None:
            process.kill()
        raise
    if process.returncode:
        lines = output.decode(errors="replace").strip().splitlines()
        raise NotHereError(409, lines[-1][:_MOST_OUTPUT] if lines else "The export failed.")
