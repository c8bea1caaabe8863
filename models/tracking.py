"""What BentoML may tell its developers: before it saves, writes or reads a model."""

import internals
from settings import settings


def track_as_configured() -> None:
    """Before BentoML saves, writes or reads a model, which it would report to its developers."""
    internals.do_not_track(settings().do_not_track)
