"""Samples under a limit, with weights that represent what was left out."""

from collections import Counter
from random import Random

import pytest

from serving.recording.sampling import Reservoir, Sampler


def offer(reservoir: Reservoir[int], numbers: range) -> None:
    for number in numbers:
        index = reservoir.choose()
        if index >= 0:
            reservoir.put(index, number)


def test_all_are_kept_up_to_the_capacity() -> None:
    reservoir = Reservoir[int](10, 1.0, Random(0))
    offer(reservoir, range(7))
    assert reservoir.sampled() == [(number, 1.0) for number in range(7)]


def test_never_more_than_the_capacity() -> None:
    reservoir = Reservoir[int](10, 1.0, Random(0))
    offer(reservoir, range(1000))
    assert len(set(reservoir.items)) == 10
    assert [weight for _, weight in reservoir.sampled()] == [100.0] * 10


@pytest.mark.parametrize(("capacity", "seen"), [(1, 5), (3, 20), (10, 11)])
def test_all_items_are_equally_likely_to_be_kept(capacity: int, seen: int) -> None:
    kept: Counter[int] = Counter()
    for seed in range(6000):
        reservoir = Reservoir[int](capacity, 1.0, Random(seed))
        offer(reservoir, range(seen))
        kept.update(reservoir.items)
    expected = 6000 * capacity / seen
    deviation = (6000 * capacity / seen * (1 - capacity / seen)) ** 0.5
    assert all(abs(kept[number] - expected) < 5 * deviation for number in range(seen))


def test_weights_are_unbiased_at_a_rate_below_one() -> None:
    totals = []
    for seed in range(300):
        reservoir = Reservoir[int](20, 0.25, Random(seed))
        offer(reservoir, range(200))
        totals.append(sum(weight for _, weight in reservoir.sampled()))
    assert sum(totals) / len(totals) == pytest.approx(200, rel=0.05)


def test_a_rate_of_zero_keeps_nothing() -> None:
    reservoir = Reservoir[int](20, 0.0, Random(0))
    offer(reservoir, range(200))
    assert reservoir.sampled() == []


def test_put_returns_the_item_that_it_replaces() -> None:
    reservoir = Reservoir[str](1, 1.0, Random(0))
    assert reservoir.put(reservoir.choose(), "first") is None
    index = -1
    while index < 0:
        index = reservoir.choose()
    assert reservoir.put(index, "second") == "first"


def crowd(sampler: Sampler[int], count: int = 1000) -> None:
    offer(sampler.ordinary, range(count))
    offer(sampler.unsure, range(count))
    offer(sampler.rejected, range(count))


def test_the_limit_holds_over_minutes_of_heavy_traffic() -> None:
    sampler = Sampler[int](60, 1.0, 0.0, Random(0))
    kept = 0
    for quarter in range(1, 10 * 60 * 4):
        crowd(sampler, 100)
        kept += len(sampler.close(quarter / 4))
    # A minute's worth at once, and then as much as comes in.
    assert 10 * 60 <= kept <= 11 * 60


def test_rare_strata_are_kept_under_heavy_traffic() -> None:
    sampler = Sampler[int](600, 1.0, 0.0, Random(0))
    for quarter in range(1, 400):
        offer(sampler.ordinary, range(1000))
        sampler.close(quarter / 4)
    offer(sampler.ordinary, range(1000))
    offer(sampler.unsure, range(1))
    offer(sampler.rejected, range(1))
    kept = sampler.close(100.0)
    assert [weight for _, weight in kept[-2:]] == [1.0, 1.0]
    assert kept[0].weight > 100


def test_weights_add_up_to_all_that_was_offered() -> None:
    sampler = Sampler[int](30, 1.0, 0.0, Random(0))
    kept = []
    for second in range(1, 100):
        crowd(sampler, second)
        kept += sampler.close(float(second))
    kept += sampler.close(100.0, last=True)
    assert sum(weight for _, weight in kept) == pytest.approx(3 * sum(range(1, 100)))


def test_a_window_lasts_longer_without_tokens() -> None:
    sampler = Sampler[int](1, 1.0, 0.0, Random(0))
    crowd(sampler)
    assert len(sampler.close(0.25)) == 4
    crowd(sampler)
    assert sampler.close(0.5) == []
    assert len(sampler.items()) == 3
    assert [weight for _, weight in sampler.close(200.0)] == [1000.0] * 3


def test_early_closing_goes_into_limited_debt() -> None:
    sampler = Sampler[int](1, 1.0, 0.0, Random(0))
    kept = 0
    for number in range(100):
        crowd(sampler)
        kept += len(sampler.close(number / 1000, early=True))
    assert 4 < kept <= 12


def test_the_last_window_always_ends() -> None:
    sampler = Sampler[int](1, 1.0, 0.0, Random(0))
    for _ in range(10):
        crowd(sampler)
        assert len(sampler.close(0.0, last=True)) >= 3


def test_unknown_images_have_a_part_of_their_own() -> None:
    sampler = Sampler[int](60, 1.0, 0.0, Random(0))
    crowd(sampler, 10_000)
    offer(sampler.unknown, range(3))
    sampled = sampler.close(0.5)
    assert [one.weight for one in sampled].count(1.0) >= 3
