"""Which records wait for a pair, and which disagreements are kept besides the sample."""

from datetime import UTC, datetime
from typing import Any

from records.prediction import KeptPrediction
from records.routing import Pair
from serving.recording.pairs import Pairs
from serving.recording.sampling import Sampled


def kept(request_id: str = "a") -> KeptPrediction:
    return KeptPrediction(request_id=request_id, model="clf", at=datetime.now(UTC))


def pair(*, differ: bool | None = True) -> Pair:
    return Pair(
        rollout_id=1,
        version="b",
        role="challenger",
        label=3,
        probabilities=None,
        seconds=0.1,
        differ=differ,
    )


def pairs(per_minute: float = 600, *, fits: bool = True) -> Pairs:
    return Pairs(per_minute, lambda _: fits)


def sampled(*predictions: KeptPrediction) -> list[Sampled[KeptPrediction]]:
    return [Sampled(prediction, 2.0) for prediction in predictions]


def items(found: list[Sampled[KeptPrediction]]) -> list[str]:
    return [one.item.request_id for one in found]


def never() -> Any:
    raise AssertionError


def test_a_record_waits_for_its_pair() -> None:
    waiting, one, two = pairs(), kept("a"), kept("b")
    waiting.expect(one)
    assert items(waiting.ready(sampled(one, two))) == ["b"]
    assert items(waiting.ready([])) == []
    waiting.paired(one, pair(), never)
    [found] = waiting.ready([])
    assert (found.item.pair, found.weight) == (pair(), 2.0)
    assert waiting.others() == []
    assert items(waiting.ready([])) == []


def test_a_record_whose_pair_never_comes() -> None:
    waiting, one = pairs(), kept()
    waiting.expect(one)
    assert items(waiting.ready(sampled(one))) == []
    waiting.expect_no_more(one)
    assert items(waiting.ready([])) == ["a"]


def test_at_the_end_nothing_waits() -> None:
    waiting, one = pairs(), kept()
    waiting.expect(one)
    assert items(waiting.ready(sampled(one), last=True)) == ["a"]


def test_a_disagreement_that_was_not_sampled_is_kept() -> None:
    waiting = pairs()
    waiting.expect(None)
    waiting.paired(None, pair(), lambda: kept("made"))
    [other] = waiting.others()
    assert (other.request_id, other.pair, other.weight) == ("made", pair(), None)


def test_one_mind_is_not() -> None:
    waiting = pairs()
    for differ in (False, None):
        waiting.paired(None, pair(differ=differ), never)
    assert waiting.others() == []


def test_one_that_left_the_sample_before_its_pair_came() -> None:
    waiting, one = pairs(), kept()
    waiting.expect(one)
    waiting.replaced(one)
    assert waiting.others() == []
    waiting.paired(one, pair(), never)
    assert waiting.others() == [one]


def test_one_that_left_the_sample_afterwards() -> None:
    waiting, one = pairs(), kept()
    waiting.expect(one)
    waiting.paired(one, pair(), never)
    waiting.replaced(one)
    assert waiting.others() == [one]


def test_somebody_waits_for_the_record() -> None:
    """It is written once, without its pair."""
    waiting, one, other = pairs(), kept("a"), kept("b")
    waiting.expect(one)
    waiting.expect(other)
    assert waiting.ready(sampled(one, other)) == []
    assert waiting.waits_for({"a"})
    assert waiting.has({"a"})
    assert items(waiting.take({"a"}, [])) == ["a"]
    assert not waiting.waits_for({"a"})
    assert not waiting.has({"a"})
    waiting.paired(one, pair(), never)
    assert waiting.others() == []
    waiting.paired(other, pair(), never)
    assert items(waiting.ready([])) == ["b"]


def test_they_are_bounded() -> None:
    waiting = pairs(per_minute=100)
    for number in range(1000):
        waiting.paired(None, pair(), lambda number=number: kept(str(number)))  # type: ignore[misc]
    assert len(waiting.others()) == 50


def test_they_need_memory() -> None:
    waiting = pairs(fits=False)
    waiting.paired(None, pair(), kept)
    assert waiting.others() == []
