"""The extractors in memory: one session of each, for all versions that use it."""

import logging
import threading
from functools import partial
from weakref import WeakValueDictionary

import internals
from logs.lines import fields
from models.extractor import Embedder, Extractor
from serving.inference.activity import Activity
from serving.inference.lanes import Lanes
from serving.inference.lone import Lone
from serving.inference.plan import MAX_LANES, cpus_of_worker, measured
from serving.series import ExtractorMetrics
from settings import Settings

logger = logging.getLogger("pupila.extractors")


class SharedExtractors:
    """Loaded with the first version that uses one, freed with the last: nobody else keeps it."""

    def __init__(self, settings: Settings, activity: Activity) -> None:
        self._settings = settings
        self._activity = activity
        self._lanes = WeakValueDictionary[str, Lanes]()
        self._guard = threading.Lock()
        self._loading: dict[str, threading.Lock] = {}

    def shared(self, extractor: Extractor) -> Lanes:
        """The one of this content; whoever asks first loads it, and others wait. Call it on a
        thread. Raises ArtifactError."""
        sha256 = extractor.sha256
        with self._guard:
            loading = self._loading.setdefault(sha256, threading.Lock())
        # One for each: a disk that does not answer holds up no other extractor.
        with loading:
            lanes = self._lanes.get(sha256)
            if lanes is None:
                lanes = self._lanes[sha256] = self._load(extractor)
            return lanes

    def _load(self, extractor: Extractor) -> Lanes:
        settings = self._settings

        def load(threads: int) -> Embedder:
            return extractor.open(threads, settings.chosen_providers)

        n_features = extractor.manifest.image_spec.n_features
        cpus = cpus_of_worker(settings)
        embedder, plan = measured(load, n_features, cpus, settings.max_batch_size)
        everything = internals.available_cpus()
        threads = min(everything, MAX_LANES)
        lone = Lone(partial(load, threads)) if threads > plan.threads else None
        logger.info(
            "an extractor was loaded",
            extra=fields(
                extractor=extractor.tag,
                lanes=plan.lanes,
                threads=plan.threads,
                lone_threads=threads if lone else plan.threads,
                batch=plan.batch,
                seconds=round(plan.full.seconds / plan.batch, 6),
            ),
        )
        return Lanes(
            embedder, plan, ExtractorMetrics(extractor.tag), lone, self._activity, everything
        )
