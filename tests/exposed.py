"""The names of everything that ``/metrics`` may answer."""

import os
from collections.abc import Mapping
from pathlib import Path

from prometheus_client import Counter, Gauge, Histogram

from serving import metrics, processes
from serving.exposition import OLD_NAMES
from serving.facts import Facts
from serving.keys.keyring import Keyring

_ENDINGS = {
    "counter": ("_total",),
    "gauge": ("",),
    "histogram": ("_bucket", "_sum", "_count"),
    "info": ("_info",),
}


def kept() -> Mapping[str, str]:
    """The families that each worker counts, and their kinds."""
    return {
        family.name: family.type
        for metric in vars(metrics).values()
        if isinstance(metric, Counter | Gauge | Histogram)
        for family in metric.describe()
    }


def families() -> Mapping[str, str]:
    """All that this release names so, with those that are made when they are asked for."""
    facts = Facts(lambda: "", Keyring(), Path("/nowhere")).families()
    measured = processes.families(os.getpid(), Path("/proc"))
    return {**kept(), **{family.name: family.type for family in (*facts, *measured)}}


def series(*, old: bool = True) -> set[str]:
    """The names of the samples; ``old``: those of the last release too."""
    found = dict(families())
    if old:
        found |= {OLD_NAMES[name]: found[name] for name in OLD_NAMES}
    return {name + end for name, kind in found.items() for end in _ENDINGS[kind]}
