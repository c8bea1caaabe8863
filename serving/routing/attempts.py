"""What became of each image that a challenger was to classify."""

from typing import Any, Literal

from records.kinds import CHANGE, PAIR, TRIAL, change_key
from serving.inference.engine import Engine
from serving.metrics import ROLLOUT_ATTEMPTS, ROLLOUT_PAIRS
from serving.recording.recorder import Recorder

Outcome = Literal["answered", "slow", "failed", "late", "stopped"]
"""Of a request on the challenger's side. ``answered``: in time; ``slow``: in time, but after more
than a tenth of the deadline; ``failed``: it raised, or gave no number; ``late``: half of the
deadline had passed, or would have. After these two, and where it was ``stopped`` because it kept
failing, the champion answered."""

PairOutcome = Literal["same", "differ", "failed"]


class Attempts:
    """Counts for one challenger, in the metrics and in the database."""

    def __init__(self, challenger: Engine, recorder: Recorder | None) -> None:
        version = challenger.version
        self._names = (version.name, version.version)
        self._challenger = challenger
        self._recorder = recorder
        self._counters: dict[tuple[str, str], Any] = {}

    def tried(self, outcome: Outcome) -> None:
        """A request was on the challenger's side."""
        self._count(TRIAL, outcome)

    def paired(self, outcome: PairOutcome) -> None:
        """Both versions were to classify an image."""
        self._count(PAIR, outcome)

    def dropped(self) -> None:
        """There was no time for the other version."""
        counter = self._counters.get((PAIR, "dropped"))
        if counter is None:
            counter = ROLLOUT_PAIRS.labels(*self._names, "dropped")
            self._counters[PAIR, "dropped"] = counter
        counter.inc()

    def changed(self, champion: str, challenger: str) -> None:
        """They gave it these labels, as JSON."""
        if self._recorder is not None:
            self._recorder.count(self._challenger, CHANGE, change_key(champion, challenger))

    def _count(self, kind: str, key: str) -> None:
        counter = self._counters.get((kind, key))
        if counter is None:
            family = ROLLOUT_ATTEMPTS if kind == TRIAL else ROLLOUT_PAIRS
            counter = self._counters[kind, key] = family.labels(*self._names, key)
        counter.inc()
        if self._recorder is not None:
            self._recorder.count(self._challenger, kind, key)
