"""What becomes of traces while a collector takes them, refuses them, or is away."""

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import pytest
from prometheus_client import Counter

from serving.metrics import SPANS_DROPPED, SPANS_EXPORTED
from serving.tracing.collector import Sent
from serving.tracing.exporter import MOST_WAITING, Exporter
from serving.tracing.trace import Trace
from tests.waiting import until

AWAY = Sent("it cannot be reached: Connection refused", again=True)


class FakeSender:
    """Answers as it is told, one after the other, and then takes everything."""

    def __init__(self, *answers: Sent) -> None:
        self.answers = list(answers)
        self.sent: list[bytes] = []
        self.seconds: list[float] = []
        self.whatever = Sent()

    def send(self, content: bytes, seconds: float) -> Sent:
        self.seconds.append(seconds)
        self.sent.append(content)
        return self.answers.pop(0) if self.answers else self.whatever


def names(traces: Iterable[Trace]) -> bytes:
    return ",".join(trace.name for trace in traces).encode()


def traced(name: str, stages: int = 0) -> Trace:
    trace = Trace("1" * 32, "2" * 16, 0.0)
    for number in range(stages):
        trace.stage(f"{number}", 0.0)
    trace.end(name, 1.0, {}, None)
    return trace


def rejects(count: int) -> Callable[[bytes], int]:
    return lambda _: count


@contextmanager
def exporting(
    sender: FakeSender, encoded: Callable[[Iterable[Trace]], bytes] = names, refused: int = 0
) -> Iterator[Exporter]:
    exporter = Exporter(sender, encoded, rejects(refused), pause=0.001)
    exporter.start()
    try:
        yield exporter
    finally:
        exporter.stop(5)


def count(counter: Counter) -> float:
    return sum(s.value for m in counter.collect() for s in m.samples if s.name.endswith("_total"))


class Counted:
    """What has been added since."""

    def __init__(self) -> None:
        self._before = self._now()

    @staticmethod
    def _now() -> dict[str, float]:
        reasons = ("full", "failed", "refused", "stopped")
        return {reason: count(SPANS_DROPPED.labels(reason)) for reason in reasons} | {
            "exported": count(SPANS_EXPORTED)
        }

    def since(self) -> dict[str, float]:
        now = self._now()
        return {name: now[name] - old for name, old in self._before.items() if now[name] != old}


def test_traces_are_sent_together() -> None:
    sender, counted = FakeSender(), Counted()
    with exporting(sender) as exporter:
        for name in "abc":
            exporter.put(traced(name, stages=1))
    assert b",".join(sender.sent) == b"a,b,c"
    assert counted.since() == {"exported": 6}


def test_a_request_has_so_many_spans_and_no_more() -> None:
    sender = FakeSender()
    exporter = Exporter(sender, names, rejects(0), pause=0.001)
    for _ in range(20):
        exporter.put(traced("t", stages=99))
    exporter.start()
    exporter.stop(5)
    assert [len(content.split(b",")) for content in sender.sent] == [5, 5, 5, 5]


def test_what_fails_is_sent_again(caplog: pytest.LogCaptureFixture) -> None:
    sender, counted = FakeSender(AWAY, AWAY), Counted()
    with exporting(sender) as exporter:
        exporter.put(traced("a"))
        until(lambda: len(sender.sent) == 3, "the third try")
    assert sender.sent == [b"a"] * 3
    assert counted.since() == {"exported": 1}
    assert caplog.messages == [
        "traces are not exported for now: it cannot be reached: Connection refused",
        "traces are exported again",
    ]


def test_a_collector_that_stays_away_is_one_line(caplog: pytest.LogCaptureFixture) -> None:
    sender, counted = FakeSender(), Counted()
    sender.whatever = AWAY
    with exporting(sender) as exporter:
        for turn in range(1, 4):
            exporter.put(traced("a"))
            until(lambda turn=turn: len(sender.sent) >= 5 * turn, "five tries")  # type: ignore[misc]
            until(lambda turn=turn: counted.since() == {"failed": turn}, "what is lost")  # type: ignore[misc]
    assert len(caplog.messages) == 1


def test_what_is_wrong_for_good_is_not_tried_again() -> None:
    sender, counted = FakeSender(Sent("it answered with status 400")), Counted()
    with exporting(sender) as exporter:
        exporter.put(traced("a", stages=2))
        until(lambda: counted.since() == {"refused": 3}, "the refusal")
        exporter.put(traced("b"))
    assert sender.sent == [b"a", b"b"]


@pytest.mark.parametrize(("said", "refused"), [(1, 1), (2**62, 3)])
def test_what_a_collector_takes_in_part(said: int, refused: int) -> None:
    counted = Counted()
    with exporting(FakeSender(), refused=said) as exporter:
        exporter.put(traced("a", stages=2))
    wanted = {"refused": refused, "exported": 3 - refused}
    assert counted.since() == {name: value for name, value in wanted.items() if value}


def test_there_is_room_for_so_many_and_requests_never_wait() -> None:
    sender, counted = FakeSender(), Counted()
    exporter = Exporter(sender, names, rejects(0), pause=0.001)
    for _ in range(MOST_WAITING // 8 + 5):
        exporter.put(traced("t", stages=7))
    assert counted.since() == {"full": 40}
    exporter.start()
    exporter.stop(5)
    assert counted.since() == {"full": 40, "exported": MOST_WAITING}


def test_the_end_sends_the_rest_once() -> None:
    sender, counted = FakeSender(), Counted()
    sender.whatever = AWAY
    exporter = Exporter(sender, names, rejects(0), pause=60)
    exporter.start()
    exporter.put(traced("a"))
    exporter.stop(5)
    assert sender.sent == [b"a"]
    assert sender.seconds[0] <= 5
    assert counted.since() == {"stopped": 1}


def test_an_error_of_ours_is_not_the_end(caplog: pytest.LogCaptureFixture) -> None:
    sender, counted = FakeSender(), Counted()

    def failing(traces: Iterable[Trace]) -> bytes:
        content = names(traces)
        if content == b"bad":
            raise RuntimeError("nobody thought of this")
        return content

    with exporting(sender, failing) as exporter:
        exporter.put(traced("bad"))
        until(lambda: counted.since() == {"failed": 1}, "the failure")
        exporter.put(traced("good"))
    assert sender.sent == [b"good"]
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
