"""The text that ``/metrics`` answers."""

from collections.abc import Iterable

import pytest
from prometheus_client import Metric
from prometheus_client.openmetrics import parser
from prometheus_client.parser import text_string_to_metric_families as read_text

from internals_metrics import folder
from serving.exposition import OLD_NAMES, Exposition, accepts_openmetrics
from serving.series import EXEMPLARS, VersionMetrics

NAME = "pupila_request_duration_seconds"


def openmetrics(text: str) -> list[Metric]:
    return [*parser.text_string_to_metric_families(text)]  # type: ignore[no-untyped-call]


@pytest.fixture
def exposition() -> Exposition:
    metrics = VersionMetrics("exposed", "v1")
    for trace_id, seconds in (("a", 0.002), ("b", 0.3)):
        bound = metrics.answered("/predict/", 200, seconds)
        metrics.logged("/predict/", bound, trace_id, seconds)
    return Exposition(folder(), EXEMPLARS, list, list)


def test_both_formats_tell_the_same(exposition: Exposition) -> None:
    text = exposition.text([], as_openmetrics=False).decode()
    other = exposition.text([], as_openmetrics=True).decode()
    assert "# {" not in text

    def values(families: Iterable[Metric]) -> dict[object, float]:
        return {
            # Recorders that other tests have begun may tell of themselves between the two.
            (sample.name, frozenset(sample.labels.items())): 0.0
            if sample.name.endswith("_timestamp_seconds")
            else sample.value
            for family in families
            for sample in family.samples
        }

    assert values(read_text(text)) == values(openmetrics(other))


def test_buckets_have_examples_in_openmetrics(exposition: Exposition) -> None:
    text = exposition.text([], as_openmetrics=True).decode()
    (family,) = (one for one in openmetrics(text) if one.name == NAME)
    assert family.unit == "seconds"
    found = {
        sample.labels["le"]: (sample.exemplar.labels, sample.exemplar.value)
        for sample in family.samples
        if sample.labels["model"] == "exposed" and sample.exemplar is not None
    }
    assert found == {"0.0025": ({"trace_id": "a"}, 0.002), "0.5": ({"trace_id": "b"}, 0.3)}


def test_a_name_of_the_last_release_is_there_for_one_more(exposition: Exposition) -> None:
    families = {
        family.name: family
        for family in read_text(exposition.text([], as_openmetrics=False).decode())
    }
    for new, old in OLD_NAMES.items():
        renamed = [one.name.replace(new, old) for one in families[new].samples]
        assert renamed == [one.name for one in families[old].samples]


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        ("", False),
        ("*/*", False),
        ("text/plain;version=0.0.4", False),
        ("application/openmetrics-text", True),
        (
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,text/plain;q=0.2",
            True,
        ),
        ("text/html, Application/OpenMetrics-Text; version=nonsense", True),
        ("application/openmetrics-text;q=0.0, text/plain", False),
        (";;,,=", False),
    ],
)
def test_who_gets_openmetrics(accept: str, wanted: bool) -> None:
    assert accepts_openmetrics(accept) is wanted
