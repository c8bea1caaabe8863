"""The access log: one JSON line for a sample of the requests, and for each that failed.

A line for every request would cost more than the request itself (0.1 to 0.2 ms); the metrics count
them all.
"""

import logging
import random
from http import HTTPStatus

import orjson

from settings import Settings

logger = logging.getLogger("pupila.access")


class AccessLog:
    """Logs the share ``PUPILA_ACCESS_LOG_RATE`` of the requests: 0 only failures, 1 all."""

    def __init__(self, settings: Settings) -> None:
        self._rate = settings.access_log_rate
        self._random = random.Random()  # noqa: S311 - not used for secrets

    def log(
        self,
        route: str,
        request_id: str | int | None,
        version: str | None,
        status: int,
        seconds: float,
    ) -> bool:
        """``version``: the tag that answered, if one did. Returns whether there is a line of it."""
        failed = status >= HTTPStatus.INTERNAL_SERVER_ERROR
        if not failed and self._random.random() >= self._rate:
            return False
        line = {
            "route": route,
            "status": status,
            "ms": round(seconds * 1000, 3),
            "version": version,
            "request_id": request_id,
        }
        logger.info("%s", orjson.dumps(line).decode())
        return True
