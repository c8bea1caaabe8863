"""What BentoML's supervisor of the workers, circus, should do otherwise.

BentoML makes the supervisor itself and passes on no option, so its class is changed before that.
"""

from typing import Any

from circus.arbiter import Arbiter

# BentoML has it look every 10 seconds, for which a dead worker would be missing.
_LOOK_SECONDS = 0.25


def supervise() -> None:
    """In the supervisor's process, before it starts: replace a dead worker at once; and when told
    to stop, close the socket that it holds for the workers, lest clients wait in its queue for
    nobody once the workers have closed theirs."""
    stop = Arbiter.stop

    def close_and_stop(self: Any) -> Any:
        self.sockets.close_all()
        return stop(self)

    Arbiter.stop = close_and_stop
    Arbiter.check_delay = property(lambda _: _LOOK_SECONDS, lambda _, __: None)
