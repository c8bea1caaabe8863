"""Whether an image that comes alone is run on all threads, learned from what they took."""

from typing import cast

from models.extractor import Embedder
from serving.inference.lone import Lone


def lone() -> Lone:
    return Lone(cast("Embedder", object()))


def learned(lone: Lone, wide: float, narrow: float, images: int) -> list[bool]:
    """The ways that were chosen for so many images, of which each way takes that long."""
    chosen = []
    for _ in range(images):
        chosen.append(lone.chooses_all_threads())
        lone.learn(wide if chosen[-1] else narrow, all_threads=chosen[-1])
    return chosen


def test_both_ways_are_tried_first() -> None:
    assert learned(lone(), 0.005, 0.009, 6) == [True, False] * 3


def test_all_threads_if_that_is_faster() -> None:
    assert learned(lone(), 0.005, 0.009, 106)[6:] == [True] * 100


def test_one_if_all_threads_are_hardly_faster() -> None:
    assert learned(lone(), 0.008, 0.009, 106)[6:] == [False] * 100


def test_the_slower_way_is_tried_again_now_and_then() -> None:
    assert sum(learned(lone(), 0.005, 0.009, 1006)[6:]) == 1000 - 1000 // 128


def test_a_neighbour_that_is_gone_is_noticed() -> None:
    one = lone()
    assert not any(learned(one, 0.03, 0.009, 106)[6:])
    learned(one, 0.005, 0.009, 2 * 128)
    assert one.is_faster


def test_a_single_long_run_changes_nothing() -> None:
    one = lone()
    learned(one, 0.005, 0.009, 6)
    one.learn(0.5, all_threads=True)
    assert one.is_faster
