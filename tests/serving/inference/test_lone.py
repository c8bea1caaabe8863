"""Whether an image that comes alone is run on all threads, learned from what they took."""

from typing import cast

import pytest

from models.extractor import Embedder
from serving.inference.lone import Lone
from tests.waiting import until


class FakeEmbedder:
    def shrink(self) -> None:
        """Has taken nothing."""


ALL, ONE = (cast("Embedder", FakeEmbedder()) for _ in range(2))


def learned(lone: Lone, wide: float, narrow: float, images: int) -> list[bool]:
    """Whether all threads were chosen for each of so many images; each way takes that long."""
    chosen = []
    for _ in range(images):
        embedder = lone.choose() or ONE
        chosen.append(embedder is ALL)
        lone.learn(wide if embedder is ALL else narrow, embedder)
    return chosen


def loaded(narrow: float = 0.009) -> Lone:
    """One that has seen what a thread takes, and has all threads now."""
    lone = Lone(lambda: ALL)
    assert not any(learned(lone, 0.0, narrow, 10))
    until(lambda: lone.embedder is ALL, "all threads")
    return lone


def test_nothing_is_loaded_before_some_have_come_alone() -> None:
    loads = []

    def load() -> Embedder:
        loads.append(ALL)
        return ALL

    learned(Lone(load), 0.0, 0.009, 9)
    assert not loads


def test_all_threads_if_that_is_faster() -> None:
    assert learned(loaded(), 0.005, 0.009, 100) == [True] * 100


def test_one_if_all_threads_are_hardly_faster() -> None:
    assert learned(loaded(), 0.0085, 0.009, 40) == [True] * 9 + [False] * 31


def test_all_threads_get_another_chance_soon_and_then_ever_later() -> None:
    chosen = learned(loaded(), 0.0085, 0.009, 9 + 40 + 72 + 136)[9:]
    assert chosen == [
        *([False] * 31 + [True] * 9),
        *([False] * 63 + [True] * 9),
        *([False] * 127 + [True] * 9),
    ]


def test_the_slower_way_is_tried_again_now_and_then() -> None:
    chosen = learned(loaded(), 0.005, 0.009, 9 + 2 * 1008)[9:]
    assert chosen == 2 * ([True] * 999 + [False] * 9)


def test_a_neighbour_of_a_moment_costs_few_images() -> None:
    lone = loaded()
    learned(lone, 0.005, 0.009, 500)
    learned(lone, 0.03, 0.009, 5)
    assert learned(lone, 0.005, 0.009, 100) == [False] * 31 + [True] * 69
    learned(lone, 0.03, 0.009, 5)
    assert learned(lone, 0.005, 0.009, 100) == [False] * 31 + [True] * 69


def test_a_neighbour_that_is_gone_is_noticed() -> None:
    lone = loaded()
    # Four more tries of nine.
    assert sum(learned(lone, 0.03, 0.009, 900)[9:]) == 36
    learned(lone, 0.005, 0.009, 1100)
    assert all(learned(lone, 0.005, 0.009, 20))


def test_a_few_long_runs_change_nothing() -> None:
    lone = loaded()
    learned(lone, 0.005, 0.009, 9)
    for _ in range(4):
        lone.learn(0.5, ALL)
    assert lone.choose() is ALL


def test_what_cannot_be_loaded_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    def load() -> Embedder:
        raise MemoryError("no room")

    lone = Lone(load)
    learned(lone, 0.0, 0.009, 10)
    until(lambda: caplog.messages, "a warning")
    assert not any(learned(lone, 0.0, 0.009, 20))
    assert caplog.messages == ["images that come alone run on one thread: no room"]
