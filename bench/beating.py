"""Pupila with a heartbeat: ``GET /stalls/`` says how long its event loop was held since the last.

The heart beats once in each turn of the event loop and never lets it sleep. Between two beats it
reads how much processor time the loop's thread has used, and the thread of the large bodies, which
shares the interpreter's lock with it: their sum is how long everybody waited, whatever else the
machine had to do. Linux only.
"""

import asyncio
import threading
import time

from starlette.types import Receive, Scope, Send

import service as pupila
from serving.http.reply import json_reply

# What takes a quiet machine 3.5 ms: a slower one may stall for longer in proportion.
WORK = range(200_000)


class Heart:
    """Beats from the first time that it is asked."""

    def __init__(self) -> None:
        self._longest = 0.0
        self._last = 0.0
        self._beating = False

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        longest, self._longest = self._longest, 0.0
        started = time.thread_time()
        sum(WORK)
        work = time.thread_time() - started
        if not self._beating:
            self._beating = True
            self._last = self._used()
            asyncio.get_running_loop().call_soon(self._beat)
        await json_reply({"longest": longest, "work": work}).send(send)
        # The work above is nobody's stall.
        self._last = self._used()

    def _beat(self) -> None:
        now = self._used()
        self._longest = max(self._longest, now - self._last)
        self._last = now
        asyncio.get_running_loop().call_soon(self._beat)

    def _used(self) -> float:
        used = time.thread_time()
        for thread in threading.enumerate():
            if thread.name.startswith("large") and thread.ident is not None:
                used += time.clock_gettime(time.pthread_getcpuclockid(thread.ident))
        return used


service = pupila.service
service.mount_asgi_app(Heart(), path="/stalls")
