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
    host = _host(url)
    fault = ""
    for _ in range(TRIES):
        try:
            # What it answers is not read: the time limit is for each part of that, not for all.
            with httpx.stream(
                "POST",
                url,
                content=body.encode(),
                headers={"Content-Type": "application/json"},
                timeout=SECONDS,
            ) as answer:
                pass
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, OSError, ImportError) as error:
            # The last three: a host that is no name, a certificate file or a proxy that is none.
            fault = f"did not answer ({_what(error)})"
            continue
        if answer.is_success:
            return
        fault = f"answered {answer.status_code}"
        if answer.status_code < 500 and answer.status_code != 429:
            break
    raise MonitorError(f"The webhook at {host} {fault}.")


def _host(url: str) -> str:
    try:
        parts = urlsplit(url)
        if parts.scheme in ("http", "https") and parts.hostname:
            return parts.hostname
    except ValueError:
        pass
    raise MonitorError("The webhook's URL must begin with https:// or http:// and a host.")


def _what(error: Exception) -> str:
    if isinstance(error, httpx.TimeoutException):
        return f"within {SECONDS:.0f} seconds"
    lines = str(error).splitlines()
    return lines[0] if lines else type(error).__name__
