"""What is used without being documented of prometheus_client 0.26: how its values are kept.

A part of ``internals.py``; ``tests/test_internals_metrics.py`` checks each by name. In its
multiprocess mode, which BentoML sets up, each process keeps its values in files of one folder; they
are added up when they are asked for.
"""

import os
import struct
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from threading import Lock
from typing import Any

from prometheus_client import Counter, Gauge, Histogram, Metric, values
from prometheus_client.mmap_dict import MmapedDict, mmap_key
from prometheus_client.multiprocess import MultiProcessCollector

_PAIR = struct.Struct("dd")

# How the names of a worker's files end.
_MARK = "w"


def folder() -> Path | None:
    """Where the processes of this server keep their values; None outside of a server.

    What a worker was told, and not what BentoML would choose there: the supervisor has made one
    (``internals.use_own_metrics_folder``).
    """
    try:
        return Path(_collector()._path)
    except ValueError:
        return None


def collected(where: Path) -> Iterable[Metric]:
    """All metrics, added up over the processes that have files there."""
    families: Iterable[Metric] = _collector(where).collect()
    return families


def _collector(where: Path | None = None) -> Any:
    path = None if where is None else str(where)
    return MultiProcessCollector(None, path)  # type: ignore[no-untyped-call]


class _Value:
    """A value in the files of this process, in place of the library's: a count takes 0.6 µs and not
    0.9. The library's asks for the process id each time, in case of a fork, and looks up where the
    value is; a worker never forks, and a value stays where it is.
    """

    _multiprocess = True

    def __init__(
        self,
        typ: str,
        metric_name: str,
        name: str,
        labelnames: Any,
        labelvalues: Any,
        help_text: str,
        multiprocess_mode: str = "",
        **_: Any,
    ) -> None:
        kind = f"{typ}_{multiprocess_mode}" if typ == "gauge" else typ
        key = _key(metric_name, name, dict(zip(labelnames, labelvalues, strict=True)), help_text)
        self._lock = Lock()
        with _OPENING:
            self._file = _file(kind)
            self._value, self._timestamp = self._file.read_value(key)
            self._at = self._file._positions[key]
        self._end = self._at + _PAIR.size

    def inc(self, amount: float) -> None:
        with self._lock:
            self._value += amount
            # Not what it was first: the mapping is another one when the file has grown.
            self._file._m[self._at : self._end] = _PAIR.pack(self._value, 0.0)

    def set(self, value: float, timestamp: float | None = None) -> None:
        with self._lock:
            self._value, self._timestamp = value, timestamp or 0.0
            self._file._m[self._at : self._end] = _PAIR.pack(value, self._timestamp)

    def get(self) -> float:
        return float(self._value)

    def set_exemplar(self, exemplar: object) -> None:
        """The files have no room for it."""

    def get_exemplar(self) -> None:
        return None


_OPENING = Lock()
_FILES: dict[str, Any] = {}


def _file(kind: str) -> Any:
    """The file of this process for one kind of values; called while nobody else is."""
    if kind not in _FILES:
        where = folder()
        assert where is not None  # noqa: S101 - there is one in multiprocess mode
        path = where / f"{kind}_{os.getpid()}{_MARK}.db"
        _FILES[kind] = MmapedDict(str(path))  # type: ignore[no-untyped-call]
    return _FILES[kind]


def _key(family: str, name: str, labels: Mapping[str, str], documentation: str) -> str:
    key: str = mmap_key(family, name, list(labels), list(labels.values()), documentation)
    return key


def use_fast_values() -> None:
    """Keep this process's values in files of ours; called before its first metric is created.

    Their names differ from those of BentoML's own metrics, whose files may be open already.
    """
    if values.ValueClass._multiprocess:
        values.ValueClass = _Value


def adding(counter: Counter | Gauge) -> Callable[[float], None]:
    """``inc`` of one series, without the checks of its arguments."""
    add: Callable[[float], None] = counter._value.inc
    return add


def observing(histogram: Histogram) -> Callable[[float], float]:
    """``observe`` of one series, which looks for the bucket by halves and returns its upper bound:
    1.5 µs and not 2.3."""
    bounds: list[float] = histogram._upper_bounds
    buckets = [bucket.inc for bucket in histogram._buckets]
    add_to_sum = histogram._sum.inc

    def observe(amount: float) -> float:
        place = bisect_left(bounds, amount)
        add_to_sum(amount)
        buckets[place](1)
        return bounds[place]

    return observe


def count_of_supervisor(
    where: Path, counter: Counter, labels: Mapping[str, str], amount: float
) -> None:
    """Add to a counter in a file of the supervisor's, which is no worker and has no other values.

    ``labels``: in the order that the counter has them.
    """
    (family,) = counter.describe()
    key = _key(family.name, f"{family.name}_total", labels, family.documentation)
    file: Any = MmapedDict(str(where / "counter_supervisor.db"))  # type: ignore[no-untyped-call]
    try:
        file.write_value(key, file.read_value(key)[0] + amount, 0.0)
    finally:
        file.close()


def gauge_of(where: Path, process: int, gauge: Gauge) -> float:
    """What the gauge of a worker, dead or alive, was when it was last set."""
    path = where / f"gauge_{gauge._multiprocess_mode}_{process}{_MARK}.db"
    (family,) = gauge.describe()
    wanted = _key(family.name, family.name, {}, family.documentation)
    try:
        found = MmapedDict.read_all_values_from_file(str(path))  # type: ignore[no-untyped-call]
        return float(sum(value for key, value, _, _ in found if key == wanted))
    except FileNotFoundError:
        return 0.0


def forget(where: Path, process: int) -> None:
    """Remove what counts only while the worker lives."""
    for path in where.glob(f"gauge_live*_{process}{_MARK}.db"):
        path.unlink(missing_ok=True)


def processes_with_files(where: Path) -> set[int]:
    """The workers that have, or had, values that count only while they live."""
    names = [path.stem.rpartition("_")[2] for path in where.glob(f"gauge_live*{_MARK}.db")]
    return {int(name.removesuffix(_MARK)) for name in names if name[:-1].isdigit()}
