from records.pace import TARGET, Pace


class Time:
    """A clock that the steps move."""

    def __init__(self) -> None:
        self.now = 0.0
        self.rests: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.rests.append(seconds)
        self.now += seconds


def run(each: float, steps: int) -> tuple[Pace, list[int], Time]:
    """``each``: seconds that one row takes."""
    time = Time()
    pace = Pace(50, 500, clock=lambda: time.now, rest=time.sleep)
    sizes = []
    for _ in range(steps):
        with pace.step() as size:
            sizes.append(size)
            time.now += each * size
    return pace, sizes, time


def test_fast_steps_grow_up_to_the_limit() -> None:
    _, sizes, _ = run(1e-6, 8)
    assert sizes[0] == 50
    assert sizes[-1] == 500


def test_slow_steps_shrink_until_they_take_as_long_as_they_may() -> None:
    _, sizes, time = run(0.01, 6)
    assert sizes[-1] * 0.01 <= TARGET
    assert min(sizes) >= 1
    # Whoever waits has half of the time at least.
    assert all(rest >= size * 0.01 - 1e-9 for rest, size in zip(time.rests, sizes, strict=True))


def test_one_row_at_a_time_is_the_least() -> None:
    _, sizes, _ = run(5.0, 5)
    assert sizes[-1] == 1


def test_time_that_a_step_waits_itself_does_not_count() -> None:
    time = Time()
    pace = Pace(50, 500, clock=lambda: time.now, rest=time.sleep)
    for _ in range(5):
        with pace.step():
            time.now += 10.0
            pace.begins()
            time.now += TARGET / 4
    assert pace.size == 500
    assert max(time.rests) < TARGET


def test_what_each_step_takes_in_any_case_does_not_shrink_it_to_nothing() -> None:
    time = Time()
    pace = Pace(50, 500, least=10, clock=lambda: time.now, rest=time.sleep)
    for _ in range(9):
        with pace.step():
            time.now += 2 * TARGET
    assert pace.size == 10
