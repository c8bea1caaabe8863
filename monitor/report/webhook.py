"""Notifies another program with one POST of JSON."""

import threading
from queue import Empty, SimpleQueue
from urllib.parse import urlsplit

import httpx

from errors import MonitorError

SECONDS = 10.0
TRIES = 2


def post(url: str, body: str, seconds: float = SECONDS) -> None:
    """POST ``body``, a JSON text; once more if it fails, each time for ``seconds`` at most.

    Raises MonitorError, which names the host only: chat programs keep their secret in the path.
    """
    host = _host(url)
    failure = ""
    for _ in range(TRIES):
        answered = _in_time(url, body, seconds)
        if answered is None or isinstance(answered, httpx.TimeoutException):
            failure = f"did not answer (within {seconds:g} seconds)"
            continue
        if isinstance(answered, Exception):
            failure = f"did not answer ({_cause(answered)})"
            continue
        if 200 <= answered < 300:
            return
        failure = f"answered {answered}"
        if answered < 500 and answered != 429:
            break
    raise MonitorError(f"The webhook at {host} {failure}.")


def _in_time(url: str, body: str, seconds: float) -> int | Exception | None:
    """The status of the answer, why there is none, or None if there was none in time.

    On a thread: httpx limits the time for each part of an answer, and one that comes byte by byte
    would take hours. Such a thread ends with its connection.
    """
    answers: SimpleQueue[int | Exception] = SimpleQueue()
    thread = threading.Thread(
        target=lambda: answers.put(_status(url, body, seconds)), name="webhook", daemon=True
    )
    thread.start()
    try:
        return answers.get(timeout=seconds)
    except Empty:
        return None


def _status(url: str, body: str, seconds: float) -> int | Exception:
    try:
        # The answer is not read.
        with httpx.stream(
            "POST",
            url,
            content=body.encode(),
            headers={"Content-Type": "application/json"},
            timeout=seconds,
        ) as answer:
            return answer.status_code
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, OSError, ImportError) as error:
        # The last three: an invalid host name, certificate file or proxy.
        return error


def _host(url: str) -> str:
    try:
        parts = urlsplit(url)
        if parts.scheme in ("http", "https") and parts.hostname:
            return parts.hostname
    except ValueError:
        pass
    raise MonitorError("The webhook URL must begin with https:// or http:// and a host name.")


def _cause(error: Exception) -> str:
    lines = str(error).splitlines()
    return lines[0] if lines else type(error).__name__
