"""What the recorder hands over to the thread that writes it."""

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime

from records.prediction import KeptPrediction
from serving.recording.sampling import Sampled
from serving.recording.tally import Tally


@dataclass(frozen=True)
class Handover:
    """What is handed over together. ``others``: predictions that were not sampled; ``passed``: some
    that were left out, to be kept only if their image turns out to be unknown. ``written`` is
    resolved when this, and all before it, is in the database, or fails with the reason."""

    sampled: Sequence[Sampled[KeptPrediction]] = ()
    tallies: Sequence[Tally] = ()
    minute: datetime = datetime.min
    others: Sequence[KeptPrediction] = ()
    passed: Sequence[KeptPrediction] = ()
    written: Future[None] | None = None
