"""A pass on the thread that has decoded the image."""

import numpy as np
import pytest
from numpy.typing import NDArray

from images.spec import ImageSpec
from serving.inference.batcher import Answer, Measured
from serving.inference.beside import Beside, Passed
from serving.inference.pace import Cost, Pace
from serving.inference.plan import Plan
from serving.metrics import EXTRACTOR_BUSY
from serving.series import ExtractorMetrics
from serving.tracing.trace import TRACE, Trace, clock

SPEC = ImageSpec(mode="L", width=2, height=1, scale=255.0)
COST = Cost(0.25, 0.25)


class Doubling:
    """An embedder that gives twice the features."""

    def run(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        assert features.shape == (1, 2)
        return features * 2


def beside(threads: int = 1, batch: int = 1, each: float = 1.0, tag: str = "beside:1") -> Beside:
    """``each``: the part of the time that an image takes in a pass of several."""
    full = Cost(COST.seconds * batch * each, COST.cpu_seconds * batch * each)
    plan = Plan(1, threads, batch, COST, full)
    return Beside(Doubling(), plan, ExtractorMetrics(tag), Pace(COST.seconds))  # type: ignore[arg-type]


def test_it_makes_the_embedding_of_the_pixels() -> None:
    then = beside().then(SPEC)
    assert then is not None
    passed = then.make(np.array([51, 255], np.uint8))
    assert passed.embedding.tolist() == [102, 510]
    assert passed.seconds >= 0
    assert then.seconds == COST.seconds


@pytest.mark.parametrize(
    "answer",
    [Measured(0.0, [Answer(np.ones(2, np.float32), 1)], COST), None],
    ids=["quick", "slow"],
)
def test_it_classifies_the_embedding_where_that_is_wanted(answer: Measured | None) -> None:
    asked: list[list[float]] = []

    def classify(embedding: NDArray[np.float32]) -> Measured | None:
        asked.append(embedding.tolist())
        return answer

    then = beside().then(SPEC, classify)
    assert then is not None
    assert then.make(np.array([51, 255], np.uint8)).classified is answer
    assert asked == [[102, 510]]


@pytest.mark.parametrize(
    ("threads", "batch", "each", "has"),
    [(1, 1, 1.0, True), (1, 2, 0.93, True), (1, 8, 0.8, False), (2, 1, 1.0, False)],
)
def test_there_is_none_where_the_lanes_are_better(
    threads: int, batch: int, each: float, has: bool
) -> None:
    assert (beside(threads, batch, each).then(SPEC) is not None) == has


def test_it_is_counted_and_the_next_is_expected_to_take_as_long() -> None:
    one = beside(tag="beside:2")
    for _ in range(100):
        one.count(Passed(np.zeros(2, np.float32), clock(), 0.5))
    then = one.then(SPEC)
    assert then is not None
    assert then.seconds == pytest.approx(0.5)
    assert EXTRACTOR_BUSY.labels("beside:2")._value.get() == pytest.approx(50)


def test_it_is_told_in_the_trace_of_its_request() -> None:
    trace = Trace("1" * 32, "2" * 16, clock())
    token = TRACE.set(trace)
    began = clock()
    beside().count(Passed(np.zeros(2, np.float32), began, 0.5))
    TRACE.reset(token)
    queue, batch, inference = trace.stages
    assert [one.name for one in trace.stages] == ["queue", "batch", "inference"]
    assert queue.began == queue.ended == batch.began == inference.began == began
    assert inference.ended == began + 0.5
    assert batch.attributes["pupila.batch.size"] == 1
