from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

import pytest
from rich.progress import Progress, TaskID

from train.progress import Bars, Log, Step, duration


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_log_has_a_line_when_a_step_begins_and_none_if_it_is_short() -> None:
    lines: list[str] = []
    clock = Clock()
    log = Log(lines.append, clock)
    log("Loading", 0, 10)
    clock.now = 1.9
    log.tick()
    log("Loading", 10, 10)
    clock.now = 60
    log.tick()
    log("Fitting", 0, 1)
    assert lines == ["Loading ...", "Fitting ..."]


def test_a_long_step_is_heard_of_ever_more_rarely() -> None:
    lines: list[str] = []
    clock = Clock()
    log = Log(lines.append, clock)
    log.expect("Fitting", 40)
    log("Fitting", 0, 1)
    for second in range(100):
        clock.now = second
        log.tick()
    assert lines == [
        "Fitting ...",
        "Fitting: 2 s, about 38 s to go ...",
        "Fitting: 5 s, about 35 s to go ...",
        "Fitting: 13 s, about 27 s to go ...",
        "Fitting: 32 s, about 8 s to go ...",
        "Fitting: 62 s, longer than the 40 s expected ...",
        "Fitting: 2 min, longer than the 40 s expected ...",
    ]


def test_parts_that_are_done_tell_how_long_the_others_take() -> None:
    step = Step("Loading", 0.0, done=500, total=2000)
    assert step.line(10) == "Loading: 500/2,000, 10 s, about 30 s to go ..."
    assert step.line(11) is None


def test_nothing_is_promised_before_anything_is_known() -> None:
    assert Step("Loading", 0.0, total=10).line(3) == "Loading: 0/10, 3 s ..."
    assert Step("Fitting", 0.0).line(3) == "Fitting: 3 s ..."


def test_a_step_ends_the_one_before_it() -> None:
    lines: list[str] = []
    clock = Clock()
    log = Log(lines.append, clock)
    log("Fitting", 0, 1)
    log("Saving", 0, 1)
    clock.now = 3
    log.tick()
    assert lines == ["Fitting ...", "Saving ...", "Saving: 3 s ..."]


def test_a_tick_while_a_bar_is_made_waits_for_it() -> None:
    ticks: list[Future[None]] = []
    pool = ThreadPoolExecutor(1)

    class Ticking(Progress):
        def add_task(self, *how: Any, **more: Any) -> TaskID:
            ticks.append(pool.submit(steps.tick))
            wait(ticks, timeout=0.1)
            return super().add_task(*how, **more)

    with pool:
        steps = Bars(Ticking("", disable=True))
        steps("Loading", 0, 10)
        steps("Fitting", 0, 1)
    assert [tick.exception() for tick in ticks] == [None, None]


def test_a_bar_of_an_earlier_step_promises_nothing() -> None:
    drawn = Progress("", disable=True)
    steps = Bars(drawn)
    steps.expect("Fitting", 1000)
    steps("Fitting", 0, 1)
    assert "to go" in drawn.tasks[0].fields["outlook"]
    steps("Saving", 0, 1)
    assert drawn.tasks[0].fields["outlook"] == ""


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.2, "1 s"), (89, "89 s"), (200, "3 min"), (7200, "2.0 h")]
)
def test_durations_are_for_people(seconds: float, text: str) -> None:
    assert duration(seconds) == text
