"""The embeddings of many images: each computed once, on all processors."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.embedding_cache import EmbeddingCache
from models.extractor import Embedder, Extractor
from models.offline.comparison import image_digests
from models.pixels import Pixels

# Images of one pass: enough to keep a processor busy, few enough for progress that moves.
_CHUNK: Final = 16
# Images whose embeddings are written together: some seconds of work, and a megabyte or so.
_KEPT: Final = 256


def embeddings_of(
    pixels: Pixels,
    extractor: Extractor,
    cache: EmbeddingCache | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> NDArray[np.float32]:
    """float32 [N, dimension] of uint8 [N, F]; those that the cache has are not computed.

    ``on_progress``: called with (done, total). Raises ArtifactError if the extractor cannot be
    used.
    """
    cache = cache or EmbeddingCache(extractor)
    notify = on_progress or (lambda _done, _total: None)
    digests = image_digests(pixels)
    found = np.empty((len(pixels), extractor.manifest.dimension), np.float32)
    missing: dict[bytes, int] = {}
    for row, digest in enumerate(digests):
        known = cache.get(digest)
        if known is not None:
            found[row] = known
        else:
            missing.setdefault(digest, row)
    rows = np.array(list(missing.values()), np.int64)
    total = len(pixels)
    notify(total - len(rows), total)
    if not len(rows):
        return found
    # One that is damaged is found now, and not after the training.
    embedder = extractor.open()
    digests_of, keeps = list(missing), cache.reserve(len(rows))
    kept = at = 0
    try:
        for count in _computed(pixels, rows, embedder, found):
            at += count
            if keeps and at - kept >= _KEPT:
                cache.add(digests_of[kept:at], found[rows[kept:at]])
                kept = at
            notify(total - len(rows) + at, total)
    finally:
        # Also what was computed until somebody interrupts it, who then need not wait for it again.
        if keeps and at > kept:
            cache.add(digests_of[kept:at], found[rows[kept:at]])
    for row, digest in enumerate(digests):
        first = missing.get(digest, row)
        if first != row:
            found[row] = found[first]
    return found


def _computed(
    pixels: Pixels,
    rows: NDArray[np.int64],
    embedder: Embedder,
    found: NDArray[np.float32],
) -> Iterator[int]:
    """Fill these rows of ``found``, and tell of how many more, in their order: several threads with
    one session, each on one processor, since two threads in a session are slower than two passes
    beside each other."""
    spec = embedder.manifest.image_spec
    parts: Sequence[NDArray[np.int64]] = [
        rows[start : start + _CHUNK] for start in range(0, len(rows), _CHUNK)
    ]

    def run(part: NDArray[np.int64]) -> int:
        # One by one, which is as fast: what an image becomes must not depend on its neighbours.
        for row in part:
            found[row] = embedder.run(spec.features(pixels[row : row + 1]))[0]
        return len(part)

    with ThreadPoolExecutor(processors()) as pool:
        yield from pool.map(run, parts)


def processors() -> int:
    """How many this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
