"""Has every logger of a process write in one form: those of libraries too."""

import logging
import os
import sys
import threading
from typing import Any, Final
from urllib.parse import urlsplit

from logs.lines import CommandLines, JsonLines, TextLines, fields
from logs.masking import Masker
from logs.output import NonBlockingOutput, Output
from settings import Settings, variable

OURS: Final = "pupila"
"""All loggers of ours are below this one."""

# uvicorn makes a line of each request that nobody reads, if this has a handler or inherits one.
_UNWANTED: Final = "uvicorn.access"

# Of these types exactly: what tests capture lines with is none of them.
_REPLACED: Final = (logging.StreamHandler, Output, NonBlockingOutput)

logger = logging.getLogger(f"{OURS}.process")


def for_server(settings: Settings, worker: int | None = None) -> None:
    """From now on, this process logs as a server's: its supervisor's, without ``worker``.

    May be called again. Whatever has ended a thread or the process is a line too.
    """
    masker = Masker(_secrets(settings))
    form = JsonLines if _is_json(settings) else TextLines
    handler = NonBlockingOutput()
    handler.setFormatter(form(masker, worker=worker, pid=os.getpid()))
    _use(handler, settings.log_level or "info")
    _watch_for_ends()


def for_command(settings: Settings) -> None:
    """From now on, this process logs as a command's: warnings alone, unless told otherwise."""
    masker = Masker(_secrets(settings))
    handler = Output()
    handler.setFormatter(JsonLines(masker) if _is_json(settings) else CommandLines(masker))
    _use(handler, settings.log_level or "warning")
    if _is_json(settings):
        _watch_for_ends()


def for_failure() -> None:
    """``for_server`` where there are no valid settings: in the form that ``auto`` has."""
    handler = Output()
    handler.setFormatter(TextLines() if sys.stderr.isatty() else JsonLines())
    _use(handler, "info")


def described(settings: Settings) -> dict[str, object]:
    """The settings by their variables, for the first line of a server: all of them, or those that
    are not the default where a person reads along. No secret is among them."""
    masker = Masker(_secrets(settings))
    found: dict[str, object] = {}
    for name, field in type(settings).model_fields.items():
        value = getattr(settings, name)
        if value == field.get_default() and not _is_json(settings):
            continue
        if value is None or isinstance(value, bool | int | float):
            found[variable(name, field)] = value
        else:
            text = ":".join(map(str, value)) if isinstance(value, tuple) else str(value)
            found[variable(name, field)] = masker.mask(text)
    return found


def _is_json(settings: Settings) -> bool:
    if settings.log_format == "auto":
        return not sys.stderr.isatty()
    return settings.log_format == "json"


def _secrets(settings: Settings) -> list[str | None]:
    """What settings are, or have within, that nobody may read."""
    found: list[str | None] = []
    for url in (settings.database_url, settings.mlflow_tracking_uri):
        found += [_password(url)] if url else []
    if settings.webhook_url:
        # All after the host: chat programs have their secret in the path.
        parts = urlsplit(settings.webhook_url)
        found += [
            settings.webhook_url.partition(parts.netloc)[2].lstrip("/"),
            _password(settings.webhook_url),
        ]
    return found


def _password(url: str) -> str | None:
    _, _, rest = url.partition("://")
    login, at, _ = rest.rpartition("@")
    return login.partition(":")[2] if at else None


def _use(handler: logging.Handler, level: str) -> None:
    root = logging.getLogger()
    for one in (root, *map(logging.getLogger, list(root.manager.loggerDict))):
        others = [old for old in one.handlers if type(old) in _REPLACED]
        for old in others:
            one.removeHandler(old)
        if others and one is not root:
            # BentoML gives some loggers a handler and a level of their own.
            one.propagate = True
            one.setLevel(logging.NOTSET)
    root.addHandler(handler)
    chosen = logging.getLevelNamesMapping()[level.upper()]
    # Of libraries, what tells of each of their steps is for whoever looks for a fault in them.
    root.setLevel(logging.INFO if chosen == logging.DEBUG else max(chosen, logging.WARNING))
    logging.getLogger(OURS).setLevel(chosen)
    logging.getLogger(_UNWANTED).propagate = False
    logging.captureWarnings(True)
    # No line has any of these; looking for them is a fifth of its cost.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False


def _watch_for_ends() -> None:
    sys.excepthook = _ended
    threading.excepthook = _thread_ended


def _ended(kind: type[BaseException], error: BaseException, trace: Any) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    logger.critical("the process ends by an error of ours", exc_info=(kind, error, trace))


def _thread_ended(ended: threading.ExceptHookArgs) -> None:
    if ended.exc_value is None or issubclass(ended.exc_type, SystemExit):
        return
    name = ended.thread.name if ended.thread is not None else None
    raised = (ended.exc_type, ended.exc_value, ended.exc_traceback)
    logger.error(
        "a thread has ended by an error of ours", exc_info=raised, extra=fields(thread=name)
    )
