"""What BentoML's supervisor of the workers, circus, should do otherwise.

BentoML makes the supervisor itself and passes on no option, so its class is changed before that.
"""

from typing import Any

from circus.arbiter import Arbiter

# BentoML has it look every 10 seconds, for which a dead worker would be missing.
_LOOK_SECONDS = 0.25


def supervise(kind: Any = Arbiter) -> None:
    """In the supervisor's process, before one of this ``kind`` is made.

    A dead worker is replaced at once. When told to stop, the supervisor closes the socket that it
    holds for the workers, lest clients wait in its queue for nobody once the workers have closed
    theirs. And it does one thing after the other: circus refuses what it is told while it is busy,
    with a traceback for a look and without a word for SIGTERM, which would be lost.
    """
    look, stop = kind.manage_watchers, kind.stop

    def look_if_free(self: Any) -> Any:
        return None if self._exclusive_running_command else look(self)

    def stop_when_free(self: Any) -> Any:
        if self._stopping:
            return None
        if self._exclusive_running_command:
            self.loop.call_later(_LOOK_SECONDS, stop_when_free, self)
            return None
        self.sockets.close_all()
        return stop(self)

    kind.manage_watchers = look_if_free
    kind.stop = stop_when_free
    kind.check_delay = property(lambda _: _LOOK_SECONDS, lambda _, __: None)
