"""Memory for decoding: never more than there is, in order, and nobody waits for ever."""

import asyncio
import random

import pytest

from images.costs import Cost
from serving.inference.budget import LONG_SECONDS, MAX_OVERTAKING, Budget


def small(size: int = 1) -> Cost:
    return Cost(size, 0.05)


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_it_gives_no_more_than_it_has() -> None:
    budget, held, most = Budget(100, lambda: 4), 0, 0
    chance = random.Random(1)

    async def work() -> None:
        nonlocal held, most
        cost = small(chance.randint(1, 100))
        await budget.acquire(cost)
        held += cost.bytes
        most = max(most, held)
        await turns(chance.randint(0, 3))
        held -= cost.bytes
        budget.release(cost)

    await asyncio.gather(*(work() for _ in range(500)))
    assert 50 < most <= 100
    assert budget.free == 100
    assert budget.expected_wait == pytest.approx(0)


async def test_a_large_one_gets_its_turn_while_small_ones_keep_coming() -> None:
    budget = Budget(100, lambda: 2)
    await budget.acquire(small(50))
    large = asyncio.create_task(budget.acquire(small(100)))
    await turns()
    overtook = 0
    for _ in range(2 * MAX_OVERTAKING):
        passing = asyncio.create_task(budget.acquire(small(50)))
        await turns()
        if not passing.done():
            passing.cancel()
            break
        overtook += 1
        budget.release(small(50))
    assert overtook == MAX_OVERTAKING
    budget.release(small(50))
    await large


async def test_those_of_one_size_keep_their_order() -> None:
    budget, order = Budget(10, lambda: 1), list[int]()

    async def work(number: int) -> None:
        await budget.acquire(small(10))
        order.append(number)
        await turns(2)
        budget.release(small(10))

    await asyncio.gather(*map(work, range(20)))
    assert order == list(range(20))


async def test_who_gives_up_leaves_the_queue_to_the_others() -> None:
    budget = Budget(10, lambda: 2)
    await budget.acquire(small(6))
    first = asyncio.create_task(budget.acquire(small(10)))
    second = asyncio.create_task(budget.acquire(small(10)))
    await turns()
    first.cancel()
    await turns()
    budget.release(small(6))
    await second
    assert first.cancelled()
    assert budget.free == 0


async def test_many_who_give_up_at_once_are_passed_over() -> None:
    budget = Budget(10, lambda: 1)
    await budget.acquire(small(10))
    waiting = [asyncio.create_task(budget.acquire(small(10))) for _ in range(9)]
    await turns()
    for task in waiting[:8]:
        task.cancel()
    # Before any of them knows.
    budget.release(small(10))
    await waiting[8]
    await asyncio.gather(*waiting, return_exceptions=True)
    assert budget.free == 0
    assert [task.cancelled() for task in waiting] == [True] * 8 + [False]


async def test_who_gives_up_when_its_turn_has_come_gives_it_back() -> None:
    budget = Budget(10, lambda: 1)
    await budget.acquire(small(10))
    waiting = asyncio.create_task(budget.acquire(small(10)))
    await turns()
    budget.release(small(10))
    waiting.cancel()
    await turns()
    assert budget.free == 10
    await budget.acquire(small(10))


async def test_what_takes_all_of_the_memory_is_waited_for_whole() -> None:
    budget = Budget(100, lambda: 2)
    await budget.acquire(Cost(10, 4.0))
    assert budget.expected_wait == pytest.approx(2.0)
    budget.release(Cost(10, 4.0))
    await budget.acquire(Cost(100, 4.0))
    assert budget.expected_wait == pytest.approx(4.0)


async def test_how_many_may_be_under_way_is_asked_each_time() -> None:
    places = [1]
    budget = Budget(10, lambda: places[0])
    await budget.acquire(small())
    second = asyncio.create_task(budget.acquire(small()))
    third = asyncio.create_task(budget.acquire(small()))
    await turns()
    assert not second.done()
    places[0] = 2
    budget.release(small())
    await turns()
    assert second.done()
    assert third.done()
    assert budget.running == 2


async def test_beside_one_that_takes_long_another_has_a_place() -> None:
    budget, long = Budget(10, lambda: 1), Cost(1, LONG_SECONDS)
    await budget.acquire(long)
    await budget.acquire(small())
    next_one = asyncio.create_task(budget.acquire(small()))
    await turns()
    assert not next_one.done()
    budget.release(long)
    await turns()
    assert not next_one.done()
    budget.release(small())
    await next_one


async def test_two_that_take_long_make_no_more_room() -> None:
    budget, long = Budget(10, lambda: 1), Cost(1, LONG_SECONDS)
    await budget.acquire(long)
    await budget.acquire(long)
    third = asyncio.create_task(budget.acquire(small()))
    await turns()
    assert not third.done()
    budget.release(long)
    await third
