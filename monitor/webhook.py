"""Tells another program, by one POST of JSON."""

from urllib.parse import urlsplit

import httpx

from errors import MonitorError

SECONDS = 10.0
TRIES = 2


def post(url: str, body: str) -> None:
    """POST ``body``, a JSON text; once more if it fails.

    Raises MonitorError, without the URL's path: chat programs keep their secret there.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise MonitorError("The webhook's URL must begin with https:// or http:// and a host.")
    fault = ""
    for _ in range(TRIES):
        try:
            answer = httpx.post(
                url,
                content=body.encode(),
                headers={"Content-Type": "application/json"},
                timeout=SECONDS,
            )
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            fault = f"did not answer ({_what(error)})"
            continue
        if answer.is_success:
            return
        fault = f"answered {answer.status_code}"
        if answer.status_code < 500 and answer.status_code != 429:
            break
    raise MonitorError(f"The webhook at {parts.hostname} {fault}; the report itself is saved.")


def _what(error: Exception) -> str:
    if isinstance(error, httpx.TimeoutException):
        return f"within {SECONDS:.0f} seconds"
    lines = str(error).splitlines()
    return lines[0] if lines else type(error).__name__
