"""Which requests are examples of a bucket."""

import pytest

from serving.exemplars import Exemplars

SERIES = ("clf", "v1", "/predict/")


def test_the_newest_request_of_a_bucket_is_its_example() -> None:
    exemplars = Exemplars()
    exemplars.put(SERIES, 0.1, "a", 0.06)
    exemplars.put(SERIES, 0.1, 7, 0.07)
    exemplars.put(SERIES, 0.5, "c", 0.3)
    found = exemplars.find(SERIES, 0.1)
    assert found is not None
    assert (found.labels, found.seconds) == ({"request_id": "7"}, 0.07)
    assert exemplars.find(SERIES, 1.0) is None
    assert exemplars.find(("clf", "v2", "/predict/"), 0.1) is None


@pytest.mark.parametrize("request_id", [None, "x" * 119, "a\nb", "\ud800"])
def test_what_openmetrics_could_not_take_is_none(request_id: str | None) -> None:
    exemplars = Exemplars()
    exemplars.put(SERIES, 0.1, request_id, 0.06)
    assert exemplars.find(SERIES, 0.1) is None


def test_as_many_characters_as_openmetrics_allows() -> None:
    exemplars = Exemplars()
    exemplars.put(SERIES, 0.1, "x" * 118, 0.06)
    assert exemplars.find(SERIES, 0.1) is not None
