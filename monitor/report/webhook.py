"""Notifies another program with one POST of JSON."""

from urllib.parse import urlsplit

import httpx

from errors import MonitorError

SECONDS = 10.0
TRIES = 2


def post(url: str, body: str) -> None:
    """POST ``body``, a JSON text; once more if it fails.

    Raises MonitorError, which names the host only: chat programs keep their secret in the path.
    """
    host = _host(url)
    failure = ""
    for _ in range(TRIES):
        try:
            # The answer is not read: the time limit is for each part of it, not for all of it.
            with httpx.stream(
                "POST",
                url,
                content=body.encode(),
                headers={"Content-Type": "application/json"},
                timeout=SECONDS,
            ) as answer:
                pass
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, OSError, ImportError) as error:
            # The last three: an invalid host name, certificate file or proxy.
            failure = f"did not answer ({_cause(error)})"
            continue
        if answer.is_success:
            return
        failure = f"answered {answer.status_code}"
        if answer.status_code < 500 and answer.status_code != 429:
            break
    raise MonitorError(f"The webhook at {host} {failure}.")


def _host(url: str) -> str:
    try:
        parts = urlsplit(url)
        if parts.scheme in ("http", "https") and parts.hostname:
            return parts.hostname
    except ValueError:
        pass
    raise MonitorError("The webhook URL must begin with https:// or http:// and a host name.")


def _cause(error: Exception) -> str:
    if isinstance(error, httpx.TimeoutException):
        return f"within {SECONDS:.0f} seconds"
    lines = str(error).splitlines()
    return lines[0] if lines else type(error).__name__
