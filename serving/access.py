"""The access log: one JSON line for a sample of the requests, and for every one that failed.

A line for each request costs more than the request itself (0.1 to 0.2 ms), and the metrics count
them all.
"""

import logging
import random
from http import HTTPStatus

import orjson

from settings import Settings

logger = logging.getLogger("pupila.access")


class AccessLog:
    """Samples by ``PUPILA_ACCESS_LOG_RATE``, from 0 (failures alone) to 1 (all)."""

    def __init__(self, settings: Settings) -> None:
        self._rate = settings.access_log_rate
        self._random = random.Random()  # noqa: S311 - nothing is kept secret by it

    def log(
        self,
        route: str,
        request_id: str | int | None,
        version: str | None,
        status: int,
        seconds: float,
    ) -> None:
        """``version`` is the tag that answered, if any did."""
        failed = status >= HTTPStatus.INTERNAL_SERVER_ERROR
        if not failed and self._random.random() >= self._rate:
            return
        line = {
            "route": route,
            "status": status,
            "ms": round(seconds * 1000, 3),
            "version": version,
            "request_id": request_id,
        }
        logger.info("%s", orjson.dumps(line).decode())
