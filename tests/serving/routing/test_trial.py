"""Nothing that a challenger does reaches a client: real versions, in a real event loop."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from images.spec import ImageSpec
from tests.challengers import Challenger, not_a_number, raising, slow
from tests.drafts import LinearDraft
from tests.serving.routing.decided import paused, rollout, routing
from tests.serving.routing.house import IMAGE, House, Open, houses, query
from tests.waiting import until_async

OTHER = LinearDraft(answer=3)
ON_A_THREAD = Challenger(answer=3, fault=partial(slow, 20))


@pytest.fixture
def house(tmp_path: Path) -> Open:
    return houses(tmp_path)


@asynccontextmanager
async def hanging(house: House) -> AsyncIterator[None]:
    """The challenger's thread does something else until the block ends."""
    until = Event()
    house.trial._threads.submit(until.wait)
    try:
        yield
    finally:
        until.set()


async def test_the_challenger_answers_its_share(house: Open) -> None:
    async with house(OTHER) as it:
        await it.follow(share=0.25)
        got = [await it.ask(query(number)) for number in range(400)]
        by = {8: it.champion.tag, 3: it.challenger.tag}
        assert all(status == 200 for status, _, _ in got)
        assert all(by[body["prediction"]] == version for _, body, version in got)
        answered = sum(version == it.challenger.tag for _, _, version in got)
        assert answered / 400 == pytest.approx(0.25, abs=0.1)
        assert it.attempts("answered") == answered
        again = [await it.ask(query(number)) for number in range(400)]
        assert again == got, "the same ids, the same sides"


@pytest.mark.parametrize("model", ["clf", "clf.pickle"])
async def test_who_leaves_the_choice_to_us(house: Open, model: str) -> None:
    async with house(OTHER) as it:
        assert (await it.ask(query(model=model)))[2] == it.challenger.tag


@pytest.mark.parametrize("wanted", ["champion", "challenger"])
async def test_an_alias_names_who_answers(house: Open, wanted: str) -> None:
    async with house(OTHER) as it:
        await it.follow(share=0.5)
        expected = it.champion if wanted == "champion" else it.challenger
        for number in range(20):
            assert (await it.ask(query(number, model=f"clf:{wanted}")))[2] == expected.tag


async def test_nobody_gets_the_challenger_while_it_is_in_shadow_or_paused(house: Open) -> None:
    async with house(OTHER) as it:
        on_trial = rollout(it.champion, it.challenger, shadow=1.0)
        shadow = rollout(it.champion, it.challenger, stage="shadow", share=0.0)
        for decided in (paused(on_trial), shadow):
            await it.registry.champions.follow(routing(it.champion, decided))
            for number in range(20):
                assert (await it.ask(query(number)))[2] == it.champion.tag
        assert not it.attempts("answered")


@pytest.mark.parametrize("fault", [raising, not_a_number])
async def test_a_challenger_that_fails(house: Open, fault: Any) -> None:
    async with house(Challenger(answer=3, fault=fault)) as it:
        for number in range(5):
            status, body, version = await it.ask(query(number))
            assert (status, body["prediction"], version) == (200, 8, it.champion.tag)
        assert it.attempts("failed") == 5
        await it.recorder.settle({str(number) for number in range(5)})
        found = it.rows(
            "select p.role, p.label, p.weight, q.version, q.role, q.label, q.differ, q.failure "
            "from predictions p join pairs q on q.prediction_id = p.id"
        )
        assert len(found) == 5
        assert found[0][:7] == (
            "champion",
            "8",
            1.0,
            it.challenger.version,
            "challenger",
            None,
            None,
        )
        assert found[0][7] in ("it raised InvalidArgument", "a score is not finite")


async def test_a_broken_challenger_is_not_asked_again(house: Open) -> None:
    async with house(Challenger(answer=3, fault=raising)) as it:
        for number in range(30):
            assert (await it.ask(query(number)))[0] == 200
        assert (it.attempts("failed"), it.attempts("stopped")) == (10, 20)
        # Until something is decided.
        await it.follow(share=0.9)
        assert not it.trial.breaker.open


async def test_a_challenger_that_is_late(house: Open) -> None:
    async with house(ON_A_THREAD) as it, hanging(it):
        # Of the 60 s, half is over in 50 ms.
        it.trial._deadline = 119.9
        status, body, version = await it.ask(query())
        assert (status, body["prediction"], version) == (200, 8, it.champion.tag)
        assert it.attempts("late") == 1


async def test_a_challenger_that_hangs_keeps_few_requests_waiting(house: Open) -> None:
    """Those who come later do not even ask, and the champion's threads are free."""
    champion = Challenger(answer=8, fault=partial(slow, 20))
    async with house(ON_A_THREAD, champion) as it, hanging(it):
        it.trial._deadline = 119.9
        first = asyncio.create_task(it.ask(query(0)))
        await until_async(lambda: it.trial._waiting)
        it.trial._waiting.update(dict.fromkeys(it.trial._waiting, 0.0))
        for number in range(1, 10):
            assert (await it.ask(query(number)))[2] == it.champion.tag
        assert (await first)[2] == it.champion.tag
        assert it.attempts("late") == 10
        assert it.trial.breaker.open


async def test_the_champion_has_the_time_that_it_needs(house: Open) -> None:
    """Half of the deadline would not be enough for it."""
    async with house(OTHER, Challenger(answer=8, fault=partial(slow, 20))) as it:
        it.trial.champion._batcher._clock._single = 1000.0
        assert (await it.ask(query()))[2] == it.champion.tag
        assert not it.attempts("late"), "it was not the challenger's fault"


async def test_a_slow_answer_is_counted_as_such(house: Open) -> None:
    async with house(OTHER) as it:
        it.trial._deadline = 1e-6
        assert (await it.ask(query()))[2] == it.challenger.tag
        assert (it.attempts("slow"), it.attempts("answered")) == (1, 0)


async def test_another_image_spec(house: Open) -> None:
    spec = ImageSpec.parse("rgb-16x16")
    async with house(LinearDraft(spec=spec, answer=3)) as it:
        assert (await it.ask(query()))[1]["prediction"] == 3
        status, body, version = await it.ask(query(image=IMAGE[:100]))
        assert (status, version) == (400, "")
        assert body["detail"].startswith("Invalid image data: ")
        assert (it.attempts("answered"), it.attempts("failed")) == (1, 0)


async def test_an_image_that_is_none_is_nobodys_fault(house: Open) -> None:
    async with house(OTHER) as it:
        status, body, _ = await it.ask(query(image="AAAA"))
        assert status == 400
        assert body["detail"].startswith("Invalid image data: ")
        assert not it.attempts("failed")
        await it.recorder.settle({"1"})
        assert it.rows("select status, role from predictions") == [(400, "champion")]


async def test_probabilities_that_the_challenger_does_not_give(house: Open) -> None:
    async with house(LinearDraft(answer=3, probabilities=False)) as it:
        status, body, version = await it.ask(query(probabilities=True))
        assert (status, version) == (200, it.champion.tag)
        assert body["probabilities"]["8"] > 0.9
        assert (await it.ask(query()))[2] == it.challenger.tag


async def test_labels_of_another_type_are_for_nobody(house: Open) -> None:
    labels = tuple(str(digit) for digit in range(10))
    async with house(LinearDraft(labels=labels, answer="3")) as it:
        assert (await it.ask(query()))[1]["prediction"] == 8


async def test_the_items_of_a_batch_are_routed_one_by_one(house: Open) -> None:
    async with house(OTHER) as it:
        await it.follow(share=0.5)
        items = [{"request_id": str(number), "image": IMAGE} for number in range(64)]
        status, body, version = await it.ask({"model": "clf", "items": items})
        assert status == 200
        singles = [(await it.ask(query(number)))[1]["prediction"] for number in range(64)]
        assert [item["prediction"] for item in body["items"]] == singles
        assert set(singles) == {3, 8}
        assert version == f"{it.champion.tag}, {it.challenger.tag}"


async def test_a_batch_that_one_of_them_answers(house: Open) -> None:
    async with house(OTHER) as it:
        items = [{"request_id": str(number), "image": IMAGE} for number in range(4)]
        assert (await it.ask({"model": "clf", "items": items}))[2] == it.challenger.tag
        await it.follow(share=0.0, stage="shadow")
        assert (await it.ask({"model": "clf", "items": items}))[2] == it.champion.tag


async def test_a_batch_of_a_challenger_that_fails(house: Open) -> None:
    async with house(Challenger(answer=3, fault=raising)) as it:
        items = [{"request_id": str(number), "image": IMAGE} for number in range(64)]
        status, body, version = await it.ask({"model": "clf", "items": items})
        assert (status, version) == (200, it.champion.tag)
        assert [item["prediction"] for item in body["items"]] == [8] * 64


async def test_roles_are_on_predictions_and_in_the_traffic(house: Open) -> None:
    async with house(OTHER) as it:
        await it.ask(query(1))
        await it.ask(query(2, model="clf:champion"))
        await it.recorder.settle({"1", "2"})
        await it.written()
        found = it.rows("select request_id, version, role from predictions order by 1")
        assert found == [
            ("1", it.challenger.version, "challenger"),
            ("2", it.champion.version, "champion"),
        ]
        counted = it.rows(
            "select version, role, kind, key, sum(count) from traffic "
            "where kind in ('trial', 'status') group by 1, 2, 3, 4"
        )
        assert set(counted) == {
            (it.challenger.version, "challenger", "trial", "answered", 1),
            (it.challenger.version, "challenger", "status", "200", 1),
            (it.champion.version, "champion", "status", "200", 1),
        }


async def test_a_promotion_in_the_middle_of_a_request(house: Open) -> None:
    """Whoever was asked answers, even if it is let go meanwhile."""
    async with house(ON_A_THREAD) as it:
        async with hanging(it):
            asked = asyncio.create_task(it.ask(query()))
            await until_async(lambda: it.trial._waiting)
            await it.registry.champions.follow(routing(it.champion))
            assert (await it.ask(query()))[2] == it.champion.tag
        assert (await asked)[:2] == (200, {"request_id": "1", "prediction": 3})
