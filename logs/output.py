"""Where log lines go: stderr, without ever waiting for whoever reads it."""

import logging
import os
import select
import sys
from collections.abc import Callable
from typing import Final

from logs.lines import fields

# So much is written to a pipe at once, or nothing is; POSIX guarantees 512, Linux this.
_PIPE_BYTES: Final = 4096

# How long the rest of a longer line may wait for its reader.
_PATIENCE_MS: Final = 100


OURS: Final = "pupila"
"""All loggers of ours are below this one."""


class Postponed(logging.Handler):
    """Configures the log at its first line: most commands have none, and reading the settings takes
    a fifth of a second."""

    def __init__(self, configure: Callable[[], object]) -> None:
        super().__init__()
        self._configure = configure

    @classmethod
    def begin(cls, configure: Callable[[], object]) -> None:
        """From now on, until the first line. ``configure`` replaces this handler."""
        root = logging.getLogger()
        for old in list(root.handlers):
            if isinstance(old, cls | Output):
                root.removeHandler(old)
        root.addHandler(cls(configure))
        # Which of its lines are wanted is not known before.
        logging.getLogger(OURS).setLevel(logging.DEBUG)

    def emit(self, record: logging.LogRecord) -> None:
        self._configure()
        logger = logging.getLogger(record.name)
        if logger.isEnabledFor(record.levelno):
            for handler in logging.getLogger().handlers:
                if isinstance(handler, Output):
                    handler.handle(record)


class Output(logging.Handler):
    """Writes to the stderr of this moment, which tests and click replace."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            sys.stderr.write(self.format(record) + "\n")
            sys.stderr.flush()
        except (OSError, ValueError):
            # The terminal or the pipe is gone: there is nobody left to tell.
            return


class NonBlockingOutput(logging.Handler):
    """Writes to a file descriptor. A line for which a pipe has no room is dropped and counted:
    a server must not stop answering because nobody reads its log."""

    def __init__(self, descriptor: int = 2) -> None:
        super().__init__()
        self._descriptor = descriptor
        self._ready = select.poll()
        self._ready.register(descriptor, select.POLLOUT)
        self.lost = 0

    def emit(self, record: logging.LogRecord) -> None:
        if self.lost:
            if not self._write(self._confession(record)):
                self.lost += 1
                return
            self.lost = 0
        if not self._write(self.format(record)):
            self.lost += 1

    def _confession(self, record: logging.LogRecord) -> str:
        event = "log lines were lost, since nobody read them or the disk is full"
        lost = logging.LogRecord("pupila.logs", logging.WARNING, "", 0, event, (), None)
        lost.created = record.created
        lost.__dict__.update(fields(lines=self.lost))
        return self.format(lost)

    def _write(self, line: str) -> bool:
        data = memoryview(line.encode(errors="backslashreplace") + b"\n")
        patience = 0
        try:
            while data:
                if not self._ready.poll(patience):
                    return False
                data = data[os.write(self._descriptor, data[:_PIPE_BYTES]) :]
                patience = _PATIENCE_MS
        except OSError:
            # A full disk, or a reader that is gone.
            return False
        return True
