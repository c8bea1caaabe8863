"""Which requests are examples of a bucket."""

from serving.exemplars import Exemplars

SERIES = ("clf", "v1", "/predict/")


def test_the_newest_request_of_a_bucket_is_its_example() -> None:
    exemplars = Exemplars()
    exemplars.put(SERIES, 0.1, "a", 0.06)
    exemplars.put(SERIES, 0.1, "b", 0.07)
    exemplars.put(SERIES, 0.5, "c", 0.3)
    found = exemplars.find(SERIES, 0.1)
    assert found is not None
    assert (found.labels, found.seconds) == ({"trace_id": "b"}, 0.07)
    assert exemplars.find(SERIES, 1.0) is None
    assert exemplars.find(("clf", "v2", "/predict/"), 0.1) is None
