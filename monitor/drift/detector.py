"""Whether a window of production data still looks like the reference data of a version.

Five views (``monitor.drift.views``), combined with Holm's correction. A change does not mean that
the model has become worse.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from cli import counted
from images.spec import ImageSpec
from models.familiarity import Familiarity
from models.manifest import Label
from models.neighbours import Neighbours
from models.reference import Reference
from monitor.drift import statistics
from monitor.drift.alarm import AlarmRule
from monitor.drift.class_mix import ClassMix
from monitor.drift.columns import Columns
from monitor.drift.results import ClassChange, DriftReport, ViewResult
from monitor.drift.thinning import thin
from monitor.drift.views import views
from monitor.frozen import Frozen
from monitor.phrasing import describe_proportion

_CHUNK = 256
_CLASSES = 5


class DriftSettings(Frozen):
    """When a window counts as changed, and how many images it needs.

    ``alpha``: the proportion of unchanged windows in which a view may be called changed;
    ``max_images``: images of a window that are looked at; ``min_images``: fewer are not enough;
    ``ratio``: images of the reference for each of ``min_images``, or it is too small. That every
    window is compared with the same reference, which is a random sample itself, is the business of
    ``monitor.drift.recurrence``.
    """

    alpha: float = Field(default=0.05, gt=0, lt=1)
    max_images: int = Field(default=1000, ge=1)
    min_images: int = Field(default=50, ge=10)
    ratio: float = Field(default=5, ge=1)


class DriftDetector:
    """Holds the ``reference`` as what the views compare, and how often each class is ``usual``;
    ``compare`` may be called from any thread."""

    def __init__(
        self, settings: DriftSettings | None = None, rule: AlarmRule | None = None
    ) -> None:
        self.settings = settings or DriftSettings()
        self.rule = rule or AlarmRule()

    def fit(
        self,
        reference: Reference,
        spec: ImageSpec,
        labels: Sequence[Label] | None = None,
        familiarity: Familiarity | None = None,
    ) -> Self:
        """Describe the held-out images once; ``labels`` are the manifest's, for the sentences.

        Of photos, ``spec`` is that of their small copies, and principal components and distances to
        what was trained on (``familiarity``) are those of embeddings.

        Without the reference's principal components (older versions), two views are skipped.
        Without its neighbours, what the components leave tells which images are unusual.
        """
        self._spec = spec
        self._mean, self._components = reference.pca_mean, reference.pca_components
        self._neighbours: Neighbours | None = None
        self._familiarity: Familiarity | None = None
        known_embeddings = reference.embeddings
        self.reference = self.describe(
            reference.pixels,
            reference.probabilities,
            None if known_embeddings is None else known_embeddings.astype(np.float32),
        )
        if familiarity is not None and len(familiarity.distances):
            self._familiarity = familiarity
            self.reference = replace(self.reference, strangeness=familiarity.distances)
        small, nearest = reference.neighbours, reference.nearest
        if small is not None and nearest is not None and len(small) and len(nearest):
            self._neighbours = Neighbours(small, spec)
            self.reference = replace(self.reference, strangeness=nearest)
        known = labels if labels is not None else range(reference.probabilities.shape[1])
        self._labels: tuple[Label, ...] = tuple(known)
        self.usual = ClassMix.of(
            self.reference.predicted, len(self._labels), reference.labels, reference.drawn_from
        )
        self._views = tuple(
            view
            for view in views(self._labels, statistics.of(spec), self.usual)
            if view.needs is None or getattr(self.reference, view.needs) is not None
        )
        return self

    @property
    def enough(self) -> bool:
        """Whether the reference has as many images as a comparison needs."""
        return len(self.reference) >= self.settings.min_images * self.settings.ratio

    def compare(
        self,
        pixels: NDArray[np.uint8],
        outputs: NDArray[np.float32],
        weights: NDArray[np.floating] | None = None,
        seed: int = 0,
        embeddings: NDArray[np.float32] | None = None,
    ) -> DriftReport:
        """A report on recent images of the model.

        ``pixels``: uint8 [n, F]; ``outputs``: float32 [n, C], what the model answered; ``weights``:
        floats [n], 1 / the probability with which each was recorded, None if all are equal;
        ``embeddings``: float32 [n, dimension], of photos. The same seed chooses the same images of
        a large window.
        """
        given = len(pixels)
        rng = np.random.default_rng(seed)
        rows = thin(given, weights, rng)
        if len(rows) > self.settings.max_images:
            rows = np.sort(rng.choice(rows, self.settings.max_images, replace=False))
        reason = self._missing(given, len(rows))
        if reason is not None:
            return DriftReport(
                state="unknown",
                p_value=None,
                evidence=None,
                threshold=self.settings.alpha,
                reason=reason,
                given=given,
                images=len(rows),
                reference=len(self.reference),
            )
        part = None if embeddings is None else embeddings[rows]
        return self.judge(self.describe(pixels[rows], outputs[rows], part), rows, given)

    def describe(
        self,
        pixels: NDArray[np.uint8],
        outputs: NDArray[np.float32],
        embeddings: NDArray[np.float32] | None = None,
    ) -> Columns:
        """What the views compare, of N images: uint8 [N, F] and float32 [N, C], and float32 [N, D]
        of photos."""
        errors = self._errors(pixels, embeddings)
        strangeness = errors
        if self._familiarity is not None and embeddings is not None:
            strangeness = self._familiarity.of_images(embeddings)
        elif self._neighbours is not None:
            strangeness = self._neighbours.distances(pixels)
        return Columns(
            outputs=outputs,
            statistics=statistics.compute(pixels, self._spec),
            error=errors,
            strangeness=strangeness,
        )

    def judge(
        self,
        columns: Columns,
        rows: NDArray[np.int64] | None = None,
        given: int | None = None,
    ) -> DriftReport:
        """A report on all of the images that ``columns`` describe.

        ``rows``: int64 [n], their indices in the window; ``given``: the size of the window.
        """
        if rows is None:
            rows = np.arange(len(columns))
        comparisons = [view.compare(self.reference, columns) for view in self._views]
        adjusted = holm([comparison.p_value for comparison in comparisons])
        results = tuple(
            ViewResult(
                name=view.name,
                p_value=comparison.p_value,
                adjusted=p_value,
                effect=comparison.effect,
                minimum=view.minimum,
                unit=view.unit,
                words=comparison.summary,
                examples=tuple(rows[comparison.examples].tolist()),
            )
            for view, comparison, p_value in zip(self._views, comparisons, adjusted, strict=True)
        )
        evidence = min((result.adjusted for result in results if result.large), default=1.0)
        return DriftReport(
            state=self.rule.judge([evidence]).state,
            p_value=min(adjusted),
            evidence=evidence,
            threshold=self.settings.alpha,
            reason="",
            given=len(columns) if given is None else given,
            images=len(columns),
            searched=len(columns),
            reference=len(self.reference),
            views=results,
            classes=self._classes(columns),
        ).explained()

    def _missing(self, given: int, images: int) -> str | None:
        """Why there is not enough data, or None if there is."""
        minimum, ratio = self.settings.min_images, self.settings.ratio
        if not self.enough:
            return (
                f"Not enough data: the reference has {len(self.reference)} images, but windows of "
                f"{minimum} need at least {minimum * ratio:.0f}; train with a larger holdout."
            )
        if images < minimum:
            recorded = f" (of {given} recorded, after weighting)" if given != images else ""
            return (
                f"Not enough data: {counted(images, 'image')}{recorded}, but at least {minimum} "
                "are needed."
            )
        return None

    def _errors(
        self, pixels: NDArray[np.uint8], embeddings: NDArray[np.float32] | None
    ) -> NDArray[np.float32] | None:
        """float32 [N]: squared norms of what the principal components leave of the features, or of
        the embeddings."""
        if self._mean is None or self._components is None:
            return None
        errors = np.empty(len(pixels), np.float32)
        for start in range(0, len(pixels), _CHUNK):
            rows = slice(start, start + _CHUNK)
            known = self._spec.features(pixels[rows]) if embeddings is None else embeddings[rows]
            rest = known - self._mean
            rest -= (rest @ self._components.T) @ self._components
            errors[start : start + _CHUNK] = np.einsum("nf,nf->n", rest, rest)
        return errors

    def _classes(self, columns: Columns) -> tuple[ClassChange, ...]:
        before, now = self.usual.proportions, columns.proportions()
        order = np.argsort(-np.abs(now - before), kind="stable")[:_CLASSES]
        return tuple(
            ClassChange(
                label=self._labels[index],
                reference=float(before[index]),
                window=float(now[index]),
                words=describe_proportion(
                    self._labels[index], float(before[index]), float(now[index])
                ),
            )
            for index in order.tolist()
            if now[index] != before[index]
        )


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values adjusted for their number, in their order: Holm, A simple sequentially rejective
    multiple test procedure, Scandinavian Journal of Statistics 6 (1979), pages 65 to 70.

    All those below alpha can be rejected, with a chance of at most alpha of rejecting a true one.
    """
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, (len(p_values) - rank) * p_values[index])
        adjusted[index] = min(1.0, largest)
    return adjusted
