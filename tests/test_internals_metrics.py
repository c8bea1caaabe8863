"""What is used of prometheus_client and of circus's watchers: how values are kept and settled."""

import inspect
import os
from pathlib import Path
from typing import Any

from circus.watcher import Watcher
from prometheus_client import Counter, Gauge, Histogram, values
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.multiprocess import MultiProcessCollector

import internals_metrics
import serving.metrics  # noqa: F401 - which has the values kept in our way


def sample(name: str, **labels: str) -> float | None:
    where = internals_metrics.folder()
    assert where is not None
    found = [
        one.value
        for family in internals_metrics.collected(where)
        for one in family.samples
        if (one.name, one.labels) == (name, labels)
    ]
    return found[0] if found else None


def test_prometheus_still_has_what_is_used() -> None:
    assert values.ValueClass is internals_metrics._Value  # the tests run as a worker does
    library: Any = values.MultiProcessValue
    theirs = inspect.signature(library().__init__).parameters
    ours = inspect.signature(internals_metrics._Value.__init__).parameters
    assert list(theirs)[:8] == list(ours)[:8]
    used = {"read_value", "write_value", "read_all_values_from_file"}
    assert used <= vars(MmapedDict).keys()
    assert {"_m", "_positions"} <= set(MmapedDict.__init__.__code__.co_names)
    assert "_path" in MultiProcessCollector.__init__.__code__.co_names


def test_values_are_added_up_from_files() -> None:
    counter = Counter("pupila_test_kept", "Of a test", ("which",))
    gauge = Gauge("pupila_test_held", "Of a test", multiprocess_mode="livesum")
    internals_metrics.adding(counter.labels("a"))(2)
    counter.labels("a").inc()
    gauge.inc(5)
    gauge.dec(2)
    assert sample("pupila_test_kept_total", which="a") == 3
    assert sample("pupila_test_held") == 3


def test_a_file_that_grows_still_takes_the_first_values() -> None:
    counter = Counter("pupila_test_many", "Of a test, with as many series as no file has", ("n",))
    first = counter.labels("first")
    for number in range(600):
        counter.labels(str(number)).inc()
    first.inc(7)
    assert sample("pupila_test_many_total", n="first") == 7


def test_what_is_observed_is_in_the_bucket_that_the_library_chooses() -> None:
    bounds = (0.1, 0.5, 1.0)
    ours = Histogram("pupila_test_ours", "Of a test", buckets=bounds)
    theirs = Histogram("pupila_test_theirs", "Of a test", buckets=bounds)
    observe = internals_metrics.observing(ours)
    for amount, bound in ((0.05, 0.1), (0.1, 0.1), (0.3, 0.5), (1.0, 1.0), (9.0, float("inf"))):
        assert observe(amount) == bound
        theirs.observe(amount)
    for bucket in ("0.1", "0.5", "1.0", "+Inf"):
        name = "pupila_test_{}_bucket"
        assert sample(name.format("ours"), le=bucket) == sample(name.format("theirs"), le=bucket)
    assert sample("pupila_test_ours_sum") == sample("pupila_test_theirs_sum")


def test_the_supervisors_counts_join_the_workers(tmp_path: Path) -> None:
    counter = Counter("pupila_test_ends", "Of a test", ("reason",))
    for _ in range(2):
        internals_metrics.count_of_supervisor(tmp_path, counter, {"reason": "exit"}, 1)
    (family,) = internals_metrics.collected(tmp_path)
    assert [(one.name, one.labels, one.value) for one in family.samples] == [
        ("pupila_test_ends_total", {"reason": "exit"}, 2.0)
    ]


def test_a_workers_gauge_can_be_read_and_forgotten() -> None:
    where, process = internals_metrics.folder(), os.getpid()
    assert where is not None
    gauge = Gauge("pupila_test_left", "Of a test", multiprocess_mode="livesum")
    gauge.set(4)
    assert internals_metrics.gauge_of(where, process, gauge) == 4
    assert internals_metrics.gauge_of(where, 1, gauge) == 0


def test_only_what_counts_while_it_lives_is_forgotten(tmp_path: Path) -> None:
    names = (
        "gauge_livesum_7w.db",
        "gauge_mostrecent_7w.db",
        "counter_7w.db",
        "gauge_livesum_8w.db",
    )
    for name in names:
        (tmp_path / name).touch()
    internals_metrics.forget(tmp_path, 7)
    assert {path.name for path in tmp_path.iterdir()} == set(names[1:])


def test_circus_still_tells_of_its_workers() -> None:
    assert callable(Watcher.is_active)
    assert callable(Watcher.manage_processes)
    assert '"reap", msg' in inspect.getsource(Watcher.reap_process)
    assert "self.processes.pop(process.pid)" in inspect.getsource(Watcher.manage_processes)
