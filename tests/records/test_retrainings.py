"""How far a retraining came."""

import pytest

from errors import RolloutError
from records.database import Database
from records.retrainings import advance, begin, retrainings


def test_a_retraining_goes_its_way(database: Database) -> None:
    begun = begin(database, "clf", "labels", "500 new labels", "a")
    assert (begun.state, begun.challenger, begun.ended_at) == ("training", None, None)
    trained = advance(database, begun.id, "trained", challenger="b")
    assert (trained.state, trained.challenger) == ("trained", "b")
    assert retrainings(database, "clf", open_only=True) == [trained]
    done = advance(database, begun.id, "done", rollout_id=3)
    assert done.ended_at is not None
    assert (done.challenger, done.rollout_id) == ("b", 3)
    assert retrainings(database, open_only=True) == []
    assert retrainings(database, "clf") == [done]


def test_one_of_a_model_at_a_time(database: Database) -> None:
    begin(database, "clf", "age", "", "a")
    begin(database, "other", "age", "", "a")
    with pytest.raises(RolloutError, match="Retraining 1 of clf has not ended: it is training"):
        begin(database, "clf", "asked", "", "a")
    advance(database, 1, "failed", detail="no memory")
    assert begin(database, "clf", "asked", "", "a").id == 3
