"""The access log: a line for a sample of the requests, and for each that failed.

A line takes half as much processor time as the request itself (``bench/logs.md``), so by default
one in a hundred has one. The metrics count them all.
"""

import logging
import random
import time
from http import HTTPStatus
from secrets import token_hex
from typing import Final

from errors import PupilaError
from logs.lines import fields, raised
from settings import Settings

logger = logging.getLogger("pupila.access")

# Failures logged in a second, and at once: when all fail, their log must not be what a server is
# busy with.
_FAILURES: Final = 100


class AccessLog:
    """Logs the share ``PUPILA_ACCESS_LOG_RATE`` of the requests: 0 only failures, 1 all."""

    def __init__(self, settings: Settings) -> None:
        self._rate = settings.access_log_rate
        self._random = random.Random().random  # noqa: S311 - not used for secrets
        self._allowed = float(_FAILURES)
        self._counted_at = 0.0
        self.omitted = 0

    def log(
        self,
        route: str,
        request_id: str | int | None,
        version: str | None,
        status: int,
        seconds: float,
        error: Exception | None = None,
        traced: str | None = None,
    ) -> str | None:
        """``version``: the tag that answered, if one did. ``error``: why it failed; with its
        traceback, if it is none of ours. ``traced``: the id of the trace that the request belongs
        to, if it does. Returns the trace id of the line, if there is one."""
        failed = status >= HTTPStatus.INTERNAL_SERVER_ERROR
        if not failed and self._random() >= self._rate:
            return None
        if failed and not self._allow():
            self.omitted += 1
            return None
        model, _, number = (version or "").partition(":")
        trace = traced or token_hex(16)
        about = fields(
            route=route,
            status=status,
            seconds=round(seconds, 6),
            model=model or None,
            version=number or None,
            request_id=request_id,
            trace_id=trace,
            error=_reason(error),
            omitted=self.omitted or None,
        )
        self.omitted = 0
        if not failed:
            logger.info("request", extra=about)
            return trace
        level = logging.WARNING if status == HTTPStatus.SERVICE_UNAVAILABLE else logging.ERROR
        unexpected = error if not isinstance(error, PupilaError) else None
        logger.log(level, "request failed", extra=about | raised(unexpected))
        return trace

    def _allow(self) -> bool:
        now = time.monotonic()
        self._allowed += (now - self._counted_at) * _FAILURES
        self._allowed = min(self._allowed, float(_FAILURES))
        self._counted_at = now
        if self._allowed < 1:
            return False
        self._allowed -= 1
        return True


def _reason(error: Exception | None) -> str | None:
    """Its cause says more than the sentence for the client."""
    if not isinstance(error, PupilaError):
        return None
    return str(error.__cause__ or error)
