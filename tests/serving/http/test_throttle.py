"""How late refusals are, on a clock that the tests turn."""

from serving.http.throttle import Throttle

START = 1000.0


def waits(throttle: Throttle, count: int, now: float = START) -> list[float]:
    return [round(throttle.wait(now), 6) for _ in range(count)]


def test_the_first_are_not_late() -> None:
    assert waits(Throttle(10, at_once=3), 6) == [0, 0, 0, 0.1, 0.2, 0.3]


def test_what_is_free_comes_back_with_the_time() -> None:
    throttle = Throttle(10, at_once=3)
    waits(throttle, 6)
    assert waits(throttle, 3, START + 0.5) == [0, 0, 0.1]
    assert waits(throttle, 5, START + 60) == [0, 0, 0, 0.1, 0.2]


def test_no_wait_is_longer_than_the_longest() -> None:
    assert max(waits(Throttle(10, at_once=3, longest_seconds=2), 1000)) == 2


def test_a_flood_is_forgotten_after_the_longest_wait() -> None:
    throttle = Throttle(10, at_once=3, longest_seconds=2)
    waits(throttle, 1000)
    assert waits(throttle, 1, START + 2.4) == [0]
