"""Both versions classify a sample of the images, after the answer."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from prometheus_client import REGISTRY

from images.spec import ImageSpec
from tests.challengers import Challenger, raising, slow
from tests.drafts import LinearDraft
from tests.serving.routing.decided import routing
from tests.serving.routing.house import House, Open, houses, query
from tests.waiting import until_async

OTHER = LinearDraft(answer=3)
PAIRED = (
    "select p.role, p.label, p.weight, q.role, q.label, q.differ, q.failure "
    "from predictions p join pairs q on q.prediction_id = p.id"
)


@pytest.fixture
def house(tmp_path: Path) -> Open:
    return houses(tmp_path)


def pairs(it: House, outcome: str) -> float:
    names = {"model": "clf", "version": it.challenger.version, "outcome": outcome}
    return REGISTRY.get_sample_value("pupila_rollout_pairs_total", names) or 0.0


async def shadow(it: House, count: int, **decided: Any) -> None:
    """Ask that often in the shadow stage, and wait for all pairs."""
    await it.follow(**{"stage": "shadow", "share": 0.0, "shadow": 1.0} | decided)
    for number in range(count):
        assert (await it.ask(query(number)))[0] == 200
        await idle(it)
    await it.recorder.settle({str(number) for number in range(count)})
    await it.written()


async def idle(it: House) -> None:
    await until_async(lambda: not it.trial._shadow._jobs and not it.recorder._pairs._expected)


async def test_both_answers_are_on_the_record(house: Open) -> None:
    async with house(OTHER, shadow_cpu=1) as it:
        await shadow(it, 5)
        assert it.rows(PAIRED) == [("champion", "8", 1.0, "challenger", "3", 1, None)] * 5
        assert (pairs(it, "differ"), pairs(it, "same")) == (5, 0)
        [probabilities] = it.rows("select probabilities from pairs limit 1")[0]
        assert np.frombuffer(probabilities, "<f4").argmax() == 3


async def test_the_other_direction(house: Open) -> None:
    """In the canary, the champion classifies what the challenger answered."""
    async with house(OTHER, shadow_cpu=1) as it:
        await shadow(it, 3, stage="canary", share=1.0)
        assert it.rows(PAIRED) == [("challenger", "3", 1.0, "champion", "8", 1, None)] * 3


async def test_they_are_counted_as_the_challengers(house: Open) -> None:
    for share in (0.0, 1.0):
        async with house(OTHER, shadow_cpu=1) as it:
            await shadow(it, 4, stage="canary", share=share)
            found = it.rows(
                "select version, role, kind, key, sum(count) from traffic "
                "where kind in ('pair', 'change') group by 1, 2, 3, 4"
            )
            assert {row[1:] for row in found if row[0] == it.challenger.version} == {
                ("challenger", "pair", "differ", 4),
                ("challenger", "change", "8>3", 4),
            }


async def test_one_mind(house: Open) -> None:
    async with house(LinearDraft(answer=8), shadow_cpu=1) as it:
        await shadow(it, 3)
        assert [row[-2:] for row in it.rows(PAIRED)] == [(0, None)] * 3
        assert pairs(it, "same") == 3
        assert not it.rows("select * from traffic where kind = 'change'")


async def test_a_challenger_that_fails(house: Open) -> None:
    async with house(Challenger(answer=3, fault=raising), shadow_cpu=1) as it:
        await shadow(it, 3)
        assert [row[-3:] for row in it.rows(PAIRED)] == [
            (None, None, "it raised InvalidArgument")
        ] * 3
        assert pairs(it, "failed") == 3


async def test_a_challenger_that_keeps_failing_is_left_alone(house: Open) -> None:
    async with house(Challenger(answer=3, fault=raising), shadow_cpu=1) as it:
        await shadow(it, 15)
        assert pairs(it, "failed") == 10


async def test_another_image_spec(house: Open) -> None:
    spec = ImageSpec.parse("rgb-16x16")
    async with house(LinearDraft(spec=spec, answer=3), shadow_cpu=1) as it:
        await shadow(it, 3)
        assert [row[-3:] for row in it.rows(PAIRED)] == [("3", 1, None)] * 3


async def test_a_sample_of_the_images(house: Open) -> None:
    async with house(OTHER, shadow_cpu=1) as it:
        await shadow(it, 400, shadow=0.25)
        assert pairs(it, "differ") == pytest.approx(100, abs=40)


async def test_disagreements_are_kept_besides_the_sample(house: Open) -> None:
    """Without a weight, and the weights of the others are as they were."""
    async with house(OTHER, shadow_cpu=1, record_per_minute=2) as it:
        await shadow(it, 200, shadow=0.5)
        rows = it.rows(
            "select p.weight, q.differ from predictions p "
            "left join pairs q on q.prediction_id = p.id"
        )
        weights = [weight for weight, _ in rows if weight is not None]
        assert sum(weights) == pytest.approx(200)
        others = [differ for weight, differ in rows if weight is None]
        # Ten at once, and one more each minute.
        assert 0 < len(others) <= 12
        assert set(others) == {1}
        ids = it.rows("select count(*), count(distinct request_id) from predictions")
        assert ids[0][0] == ids[0][1], "none is kept twice"


async def test_it_does_not_wait_for_the_shadow(house: Open) -> None:
    """The answer is there before the other version has begun."""
    async with house(Challenger(answer=3, fault=partial(slow, 20)), shadow_cpu=1) as it:
        await it.follow(stage="shadow", share=0.0, shadow=1.0)
        await it.ask(query())
        assert len(it.trial._shadow._jobs) == 1
        assert not pairs(it, "differ")
        await idle(it)
        assert pairs(it, "differ") == 1


async def test_it_takes_a_part_of_the_time_only(house: Open) -> None:
    """Of a burst, a few are left; nothing grows without bound."""
    async with house(OTHER, shadow_cpu=0.001) as it:
        await it.follow(stage="shadow", share=0.0, shadow=1.0)
        for number in range(100):
            await it.ask(query(number))
        assert len(it.trial._shadow._jobs) <= 64
        assert pairs(it, "dropped") >= 30


async def test_what_waits_is_given_up_when_the_rollout_ends(house: Open) -> None:
    async with house(OTHER, shadow_cpu=0.001) as it:
        await it.follow(stage="shadow", share=0.0, shadow=1.0)
        for number in range(10):
            await it.ask(query(number))
        await it.registry.champions.follow(routing(it.champion))
        await it.recorder.settle({str(number) for number in range(10)})
        [[count]] = it.rows("select count(*) from predictions")
        assert count == 10


@pytest.mark.parametrize("share", [0.0, 1.0])
async def test_under_load_it_does_nothing(house: Open, share: float) -> None:
    async with house(OTHER, shadow_cpu=1) as it:
        await it.follow(share=share, shadow=1.0)
        await it.ask(query())
        batcher = it.trial.champion._batcher
        batcher._busy, batcher._running, batcher._clock._single = True, 1, 100.0
        await idle(it)
        assert (pairs(it, "differ"), pairs(it, "dropped")) == (0, 1)


async def test_labels_are_written_as_json(house: Open) -> None:
    labels = ("é", 'say "cat"')
    champion = LinearDraft(labels=labels, answer=labels[0])
    async with house(LinearDraft(labels=labels, answer=labels[1]), champion, shadow_cpu=1) as it:
        await shadow(it, 1)
        [[key]] = it.rows("select key from traffic where kind = 'change'")
        assert key == f"{json.dumps(labels[0])}>{json.dumps(labels[1])}"
