"""How a worker's interpreter runs once all is loaded, and how long it has run."""

import gc
import sys
import time
from typing import Final

_BEGAN: Final = time.monotonic()

_SWITCH_SECONDS: Final = 0.001


def settle() -> None:
    """Call it when everything that lives as long as the worker is there."""
    # Without this, full collections over the imported libraries are the latency's tail.
    gc.collect()
    gc.freeze()
    # What a request allocates is freed without the collector; with the default of 700, it ran
    # within the parsing of one large body until that took a second. If all are alive, it takes 6 ms
    # over 10,000 objects, and 60 ms over the hundred thousand of ten such times.
    gc.set_threshold(10_000, 10, 100)
    # How long a thread at work on a large body, or on records, may make the event loop wait.
    sys.setswitchinterval(_SWITCH_SECONDS)


def lived() -> float:
    """Seconds since the first imports."""
    return round(time.monotonic() - _BEGAN, 3)
