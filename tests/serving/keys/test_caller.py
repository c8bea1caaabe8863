"""What one key allows in one worker, and how it is counted."""

from datetime import UTC, datetime, timedelta

import pytest

from errors import ForbiddenError, TooManyRequestsError, UnauthorizedError
from serving.keys.caller import Caller
from tests.serving.keys.made import YESTERDAY, made

# So slow that none comes back while a test runs.
SLOW = 1 / 3600


def caller(workers: int = 1, *, shared: bool = True, **changes: object) -> Caller:
    return Caller(made(**changes)[1], workers, counts_are_shared=shared)  # type: ignore[arg-type]


def test_a_scope_that_the_key_has_not() -> None:
    with pytest.raises(ForbiddenError, match=r"^The key line-3 lacks the scope label\.$"):
        caller().admit("label")
    caller().admit("predict")
    caller().admit(None)


def test_a_key_that_has_ended() -> None:
    with pytest.raises(UnauthorizedError, match=r"^The key line-3 has expired\.$"):
        caller(expires_at=YESTERDAY).admit("predict")
    with pytest.raises(UnauthorizedError, match=r"^The key was revoked\.$"):
        caller(revoked_at=YESTERDAY).admit("predict")


@pytest.mark.parametrize(
    ("rate", "workers", "burst"), [(50.0, 1, 50), (50.0, 2, 25), (0.001, 4, 1)]
)
def test_a_burst_is_a_second_of_a_workers_share_and_at_least_one(
    rate: float, workers: int, burst: int
) -> None:
    chosen = caller(workers, rate=rate)
    for _ in range(burst):
        chosen.admit("predict")

    def on_and_on() -> None:
        # While they are counted, some come back.
        for _ in range(100_000):
            chosen.admit("predict")

    with pytest.raises(TooManyRequestsError) as caught:
        on_and_on()
    assert caught.value.limit == max(1, rate)
    assert caught.value.retry_after >= 1


def test_a_limit_is_told_with_the_time_until_it_ends() -> None:
    chosen = caller(rate=SLOW)
    chosen.admit("predict")
    with pytest.raises(TooManyRequestsError) as caught:
        chosen.admit("predict")
    assert str(caught.value).startswith("The key line-3 is limited to 1/h; try again in 3")
    assert 3500 <= caught.value.retry_after <= 3600


def test_a_batch_costs_as_much_as_its_images_one_by_one() -> None:
    chosen = caller(rate=SLOW, daily=10)
    chosen.admit("predict")
    chosen.charge(4)
    assert chosen.take_new() == 5
    with pytest.raises(TooManyRequestsError) as caught:
        chosen.admit("predict")
    assert caught.value.retry_after > 4 * 3500


def test_a_day_is_used_up_and_ends_at_midnight() -> None:
    chosen = caller(daily=2)
    chosen.admit("predict")
    chosen.admit("predict")
    tomorrow = datetime.now(UTC).date() + timedelta(days=1)
    with pytest.raises(TooManyRequestsError) as caught:
        chosen.admit("predict")
    assert str(caught.value) == (
        f"The key line-3 has used up its 2 a day; try again on {tomorrow}, UTC."
    )
    assert caught.value.limit == 2
    assert 1 <= caught.value.retry_after <= 86_400


def test_what_other_workers_counted_counts() -> None:
    chosen = caller(daily=10)
    chosen.admit("predict")
    assert chosen.take_new() == 1
    chosen.counted(datetime.now(UTC).date(), 9)
    chosen.admit("predict")
    with pytest.raises(TooManyRequestsError):
        chosen.admit("predict")


def test_counts_that_the_database_did_not_take_are_not_lost() -> None:
    chosen = caller(daily=2)
    chosen.admit("predict")
    chosen.give_back(chosen.take_new())
    chosen.admit("predict")
    with pytest.raises(TooManyRequestsError):
        chosen.admit("predict")
    assert chosen.take_new() == 2


def test_a_new_day_begins_at_nothing() -> None:
    chosen = caller(daily=1)
    chosen.counted(datetime.now(UTC).date() - timedelta(days=1), 1)
    chosen.admit("predict")


def test_without_a_database_each_worker_has_its_share_of_a_day() -> None:
    chosen = caller(3, shared=False, daily=7)
    chosen.admit("predict")
    chosen.admit("predict")
    with pytest.raises(TooManyRequestsError, match="has used up its 7 a day"):
        chosen.admit("predict")


@pytest.mark.parametrize("model", ["clf", "clf:champion", "clf:abc", "clf.pickle"])
def test_a_key_for_one_model(model: str) -> None:
    caller(models=("clf",)).require(model)
    caller().require(model)
    with pytest.raises(ForbiddenError, match=rf"^The key line-3 is not for the model {model}\.$"):
        caller(models=("pets",)).require(model)


def test_a_key_that_is_changed_goes_on_from_its_counts() -> None:
    before, after = caller(rate=SLOW, daily=2), caller(rate=SLOW, daily=1)
    before.admit("predict")
    after.inherit(before)
    with pytest.raises(TooManyRequestsError, match="used up its 1 a day"):
        after.admit("predict")
