"""What a worker knows of its server, as metrics: what runs, who answers, what will expire.

Made when they are asked for and by whoever is asked, since a series of the workers' files could not
be taken back when a version is champion no longer.
"""

import contextlib
import functools
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path

from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily, Metric

from serving.keys.keyring import Keyring
from serving.routing.registry import Registry

_LIBRARIES = ("bentoml", "onnxruntime")


@functools.cache
def _libraries() -> dict[str, str]:
    return {name: version(name) for name in _LIBRARIES}


class Facts:
    """``build``: the version of the Bento; ``ring``: the keys that this worker accepts;
    ``fetched``: the file that whoever fetches versions touches when the storage has answered.

    Its methods run in the event loop.
    """

    def __init__(self, build: Callable[[], str], ring: Keyring, fetched: Path) -> None:
        self._build = build
        self._ring = ring
        self._fetched = fetched
        self._registry: Registry | None = None
        self.certificate: float | None = None
        """When the certificate that is served expires, in seconds since 1970; None without one."""

    def bind(self, registry: Registry) -> None:
        """Set the registry to tell of, once this worker has one."""
        self._registry = registry

    def families(self) -> Iterator[Metric]:
        versions = {"version": self._build(), "python": platform.python_version(), **_libraries()}
        yield InfoMetricFamily("pupila_build", "What runs", value=versions)
        yield self._models()
        keys = [caller.key for caller in self._ring.callers() if not caller.key.revoked_at]
        times = [key.expires_at.timestamp() for key in keys if key.expires_at]
        yield _expiry(
            "key", "the next key that will expire does", [at for at in times if at > time.time()]
        )
        served = self.certificate
        yield _expiry(
            "certificate",
            "the certificate that is served expires",
            [] if served is None else [served],
        )

        yield self._fetch()

    def _fetch(self) -> Metric:
        family = GaugeMetricFamily(
            "pupila_versions_fetched_timestamp_seconds",
            "When the storage that versions are fetched from last answered, in seconds since 1970",
        )
        with contextlib.suppress(OSError):
            family.add_metric([], self._fetched.stat().st_mtime)
        return family

    def _models(self) -> Metric:
        family = InfoMetricFamily(
            "pupila_model", "Who answers for a model, and who is on trial", labels=["model", "role"]
        )
        for listing in self._registry.catalog() if self._registry else []:
            tags = {"champion": listing.champion, "challenger": listing.challenger}
            for role, tag in tags.items():
                if tag:
                    of_tag = {"version": tag.partition(":")[2]}
                    family.add_metric([listing.name, role], of_tag)
        return family


def _expiry(what: str, when: str, times: Sequence[float]) -> Metric:
    """No sample if there is none: nothing will expire."""
    family = GaugeMetricFamily(
        f"pupila_{what}_expiry_timestamp_seconds",
        f"When {when}, in seconds since 1970",
    )
    if times:
        family.add_metric([], min(times))
    return family
