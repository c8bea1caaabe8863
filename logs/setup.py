"""Has every logger of a process write in one form: those of libraries too."""

import logging
import os
import sys
import threading
from typing import Any, Final

from logs.lines import CommandLines, JsonLines, TextLines, fields
from logs.masking import Masker
from logs.output import OURS, NonBlockingOutput, Output, Postponed
from settings import Settings
from settings_secrets import variable_of

# uvicorn makes a line of each request that nobody reads, if this has a handler or inherits one.
_UNWANTED: Final = "uvicorn.access"

# Of these types exactly: what tests capture lines with is none of them.
_REPLACED: Final = (logging.StreamHandler, Output, NonBlockingOutput, Postponed)

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
        if value is not None and not isinstance(value, bool | int | float):
            text = ":".join(map(str, value)) if isinstance(value, tuple) else str(value)
            value = masker.mask(text)
        found[variable_of(field, name)] = value
    return found


def _is_json(settings: Settings) -> bool:
    if settings.log_format == "auto":
        return not sys.stderr.isatty()
    return settings.log_format == "json"


def _secrets(settings: Settings) -> list[str]:
    """What settings are, or have within, that nobody may read: those not in the object's repr."""
    found: list[str] = []
    for name, field in type(settings).model_fields.items():
        value = getattr(settings, name)
        if field.repr or not isinstance(value, str) or not value:
            continue
        _, is_url, rest = value.partition("://")
        login, _, place = rest.rpartition("@")
        if not is_url:
            found.append(value)
        elif name == "webhook_url":
            # Chat programs have theirs after the host.
            found += [place.partition("/")[2], login]
        else:
            found.append(login.partition(":")[2])
    return found


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
