"""What becomes of one sampled request: when each stage of it began and ended.

The stages note times, and nothing else, while the request is answered; an exporter's thread makes
spans of them later. Where a request is not sampled, there is no trace, and a stage that asks for it
finds None, which takes 0.03 µs.
"""

import time
from collections.abc import Iterable
from contextvars import ContextVar
from typing import Any, Final

Attributes = dict[str, str | int | float | bool]

TRACE: Final[ContextVar["Trace | None"]] = ContextVar("pupila_trace", default=None)
"""The trace of the request that this task answers; None if it is not sampled."""

# Stages of one name, so that a batch of 256 images is no burden on whoever collects and reads it.
_MOST_ALIKE: Final = 32

clock = time.perf_counter
"""The clock of all times in a trace."""


class Stage:
    """``began`` and ``ended`` in the seconds of ``clock``; ``inside``: the stage that it is a part
    of, or else the request itself."""

    __slots__ = ("attributes", "began", "ended", "inside", "name")

    def __init__(
        self,
        name: str,
        began: float,
        ended: float,
        attributes: Attributes,
        inside: "Stage | None" = None,
    ) -> None:
        self.name = name
        self.began = began
        self.ended = ended
        self.attributes = attributes
        self.inside = inside


class Run:
    """One call of a model: ``about`` says which, ``size`` how many images it took."""

    __slots__ = ("about", "began", "seconds", "size")

    def __init__(self, about: Attributes, size: int, began: float, seconds: float) -> None:
        self.about = about
        self.size = size
        self.began = began
        self.seconds = seconds


class Turn:
    """An image's way through the queue of a model. ``ahead``: how many it found waiting there."""

    __slots__ = ("ahead", "arrived", "run", "taken")

    def __init__(self, ahead: int) -> None:
        self.ahead = ahead
        self.arrived = clock()
        self.taken: float | None = None
        self.run: Run | None = None


class Trace:
    """One request; ids in hexadecimal. ``parent_id`` and ``state`` are those of the caller, if it
    named a span. If not ``sampled``, it has ids alone, for the log and the answer."""

    __slots__ = (
        "_alike", "_runs", "attributes", "began", "began_ns", "ended", "fault", "left_out", "name",
        "parent_id", "sampled", "span_id", "stages", "state", "trace_id",
    )  # fmt: skip

    def __init__(
        self,
        trace_id: str,
        span_id: str,
        began: float,
        *,
        parent_id: str = "",
        state: str = "",
        sampled: bool = True,
    ) -> None:
        self.trace_id = trace_id
        self.span_id = span_id
        self.parent_id = parent_id
        self.state = state
        self.sampled = sampled
        self.began = began
        # Of the same moment: spans have the time of day.
        self.began_ns = time.time_ns() - round((clock() - began) * 1e9)
        self.ended: float | None = None
        self.name = ""
        self.attributes: Attributes = {}
        self.fault: str | None = None
        self.stages: list[Stage] = []
        self.left_out = 0
        self._alike: dict[str, int] = {}
        self._runs: dict[Run, Stage] = {}

    @property
    def size(self) -> int:
        """How many spans it will have."""
        return len(self.stages) + 1

    def stage(
        self, name: str, began: float, ended: float | None = None, /, **attributes: str | float
    ) -> None:
        """A stage that ends now, or ended."""
        self._add(Stage(name, began, clock() if ended is None else ended, dict(attributes)))

    def passed(self, turn: Turn) -> None:
        """An image has left a queue, with the answer of a model or without.

        Images of the request that one call of the model took together share their stages.
        """
        ended, run = clock(), turn.run
        if run is not None and (known := self._runs.get(run)) is not None:
            known.attributes["pupila.batch.own"] = int(known.attributes["pupila.batch.own"]) + 1
            return
        about: Attributes = {} if run is None else run.about
        taken = turn.taken or ended
        queued = about | {"pupila.queue.length": turn.ahead}
        self._add(Stage("queue", turn.arrived, taken, queued))
        if run is None:
            if turn.taken is not None:
                # It ran out of time there.
                self._add(Stage("batch", taken, ended, {}))
            return
        sizes = {"pupila.batch.size": run.size, "pupila.batch.own": 1}
        batch = self._runs[run] = Stage("batch", taken, ended, about | sizes)
        self._add(batch)
        self._add(Stage("inference", run.began, run.began + run.seconds, dict(about), batch))

    def end(self, name: str, ended: float, attributes: Attributes, fault: str | None) -> None:
        """The request is answered: what a task of it does after that is no part of it."""
        self.name = name
        self.attributes = attributes
        self.fault = fault
        self.ended = ended
        self._runs, self._alike = {}, {}

    def _add(self, stage: Stage) -> None:
        if self.ended is not None:
            return
        alike = self._alike[stage.name] = self._alike.get(stage.name, 0) + 1
        if alike > _MOST_ALIKE:
            self.left_out += 1
        else:
            self.stages.append(stage)


def ran(items: Iterable[Any], run: Run) -> None:
    """A model has classified these items of a queue, some of which may be traced."""
    for item in items:
        if item.turn is not None:
            item.turn.run = run


def ran_alone(about: Attributes, began: float, seconds: float) -> None:
    """A model has run on the one image of this task's request, which was in no queue."""
    trace = TRACE.get()
    if trace is None:
        return
    turn = Turn(0)
    turn.arrived = turn.taken = began
    turn.run = Run(about, 1, began, seconds)
    trace.passed(turn)


def tagged(tag: str) -> Attributes:
    """How a version is named in a trace, by ``model:version``."""
    model, _, version = tag.partition(":")
    return {"pupila.model": model, "pupila.version": version}
