"""From the bytes of files to predictions, with the code that serves. Dask workers receive it.

So it imports only what the server has, and its answers consist of NumPy and built-in types.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from errors import ImageError
from images.decoding import read_pixels
from images.spec import ImageSpec
from models.artifact import Artifact

Image = bytes | str
"""A file's bytes, or the reason why it could not be read."""

UNREADABLE = -1

T = TypeVar("T")

_BATCH = 128
_BATCH_BYTES = 32 * 2**20


class Pixels(NamedTuple):
    """A decoded batch of N images, M of them readable.

    ``values``: uint8 [M, n_features], of the readable ones; ``reasons``: for each of the N, why it
    is not readable, or None.
    """

    values: NDArray[np.uint8]
    reasons: list[str | None]


class Answers(NamedTuple):
    """The version's predictions for N images.

    ``indices``: int64 [N], the predicted labels as indices into the manifest's ``labels``, or
    UNREADABLE; ``scores``: float32 [N, C], NaN for an unreadable image, or None if not requested;
    ``reasons``: as in Pixels.
    """

    indices: NDArray[np.int64]
    scores: NDArray[np.float32] | None
    reasons: list[str | None]


class Scorer:
    """A loaded version. ``decode`` is safe to call from several threads, ``classify`` is not."""

    def __init__(self, artifact: Artifact, max_pixels: int, keep_scores: bool) -> None:
        """Verify and load; raises ArtifactError if the version cannot be used."""
        self.spec = artifact.manifest.image_spec
        self._labels = len(artifact.manifest.labels)
        self._runtime = artifact.open()
        self.max_pixels = max_pixels
        self._keep_scores = keep_scores
        self.batch = max(1, min(_BATCH, _BATCH_BYTES // (4 * self.spec.n_features)))

    def decode(self, images: Sequence[Image]) -> Pixels:
        return decode(images, self.spec, self.max_pixels)

    def classify(self, pixels: Pixels) -> Answers:
        """One call of the classifier."""
        readable = np.array([reason is None for reason in pixels.reasons], dtype=bool)
        indices = np.full(len(readable), UNREADABLE, np.int64)
        scores = None
        if self._keep_scores:
            scores = np.full((len(readable), self._labels), np.nan, np.float32)
        if len(pixels.values):
            outcome = self._runtime.run(self.spec.features(pixels.values))
            indices[readable] = outcome.indices
            if scores is not None:
                scores[readable] = outcome.scores
        return Answers(indices, scores, pixels.reasons)

    def score(self, images: Sequence[Image]) -> Answers:
        """Decode and classify on this thread, batch by batch."""
        return joined([self.classify(self.decode(batch)) for batch in batches(images, self.batch)])


def decode(images: Sequence[Image], spec: ImageSpec, max_pixels: int) -> Pixels:
    """The pixels of the readable images, and why the others are not readable."""
    values = np.empty((len(images), spec.n_features), np.uint8)
    reasons: list[str | None] = []
    readable = 0
    for image in images:
        if isinstance(image, str):
            reasons.append(image)
            continue
        try:
            values[readable] = read_pixels(image, spec, max_pixels)
        except ImageError as error:
            reasons.append(str(error))
        else:
            reasons.append(None)
            readable += 1
    return Pixels(values[:readable], reasons)


def batches(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """The items in order, ``size`` at a time."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


def joined(parts: Iterable[Answers]) -> Answers:
    """The answers one after the other; needs at least one part."""
    indices, scores, reasons = zip(*parts, strict=True)
    return Answers(
        np.concatenate(indices),
        None if scores[0] is None else np.concatenate(scores),
        list(chain.from_iterable(reasons)),
    )
