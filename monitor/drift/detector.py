"""Whether a window of production still looks like the data a version was validated on.

Five views (``monitor.drift.views``), combined by Holm. That a window has changed does not say that
the model has become worse.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from images.spec import ImageSpec
from models.manifest import Label
from models.reference import Reference
from monitor.drift import statistics
from monitor.drift.alarm import AlarmRule
from monitor.drift.report import ClassChange, DriftReport, ViewResult
from monitor.drift.thinning import thin
from monitor.drift.views import Columns, views
from monitor.phrasing import describe_proportion

_CHUNK = 256
_CLASSES = 5


class DriftSettings(BaseModel):
    """When a window counts as changed, and how many images it takes.

    ``alpha``: the share of windows without a change in which a view may be called changed;
    ``most``: images of a window that are looked at; ``least``: fewer are not enough; ``ratio``:
    images of the reference for each of the window. The luck of the reference is in all of its
    windows: with a reference of 360 and windows of 1,000, one reference of forty called 0.63 of its
    windows changed without a change, and a rule over several windows is no help.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    alpha: float = Field(default=0.05, gt=0, lt=1)
    most: int = Field(default=1000, ge=1)
    least: int = Field(default=50, ge=10)
    ratio: float = Field(default=5, ge=1)


@dataclass(frozen=True, eq=False)
class Window:
    """Recent images of a model: ``pixels``: uint8 [n, F]; ``probabilities``: float32 [n, C];
    ``weights``: floats [n], 1 / the probability with which each was recorded, None if all alike.
    """

    pixels: NDArray[np.uint8]
    probabilities: NDArray[np.float32]
    weights: NDArray[np.floating] | None = None

    def __len__(self) -> int:
        return len(self.pixels)


class DriftDetector:
    """Knows the reference; ``compare`` may be called from any thread."""

    def __init__(
        self, settings: DriftSettings | None = None, rule: AlarmRule | None = None
    ) -> None:
        self.settings = settings or DriftSettings()
        self.rule = rule or AlarmRule()

    def fit(
        self, reference: Reference, spec: ImageSpec, labels: Sequence[Label] | None = None
    ) -> Self:
        """Take in the held-out images; ``labels`` are the manifest's, for the words.

        A reference without principal components, of an older version, leaves two views out.
        """
        self._spec = spec
        self._mean, self._components = reference.pca_mean, reference.pca_components
        self._reference = self.describe(reference.pixels, reference.probabilities)
        known = labels if labels is not None else range(reference.probabilities.shape[1])
        self._labels: tuple[Label, ...] = tuple(known)
        self._views = tuple(
            view
            for view in views(self._labels, statistics.of(spec))
            if self._components is not None or not view.needs_error
        )
        return self

    @property
    def size(self) -> int:
        """The images of a window that are looked at, at most; 0 if the reference has too few."""
        size = min(self.settings.most, int(len(self._reference) / self.settings.ratio))
        return size if size >= self.settings.least else 0

    def compare(self, window: Window, seed: int = 0) -> DriftReport:
        """A report on the window; the same seed looks at the same images of a large one."""
        rng = np.random.default_rng(seed)
        rows = thin(len(window), window.weights, rng)
        if len(rows) > self.size > 0:
            rows = np.sort(rng.choice(rows, self.size, replace=False))
        reason = self._missing(len(window), len(rows))
        if reason is not None:
            return DriftReport(
                state="unknown",
                p_value=None,
                evidence=None,
                threshold=self.settings.alpha,
                reason=reason,
                given=len(window),
                images=len(rows),
                reference=len(self._reference),
            )
        columns = self.describe(window.pixels[rows], window.probabilities[rows])
        return self.judge(columns, rows, len(window))

    def describe(self, pixels: NDArray[np.uint8], probabilities: NDArray[np.float32]) -> Columns:
        """What the views look at, of N images: uint8 [N, F] and float32 [N, C]."""
        return Columns(
            outputs=probabilities,
            statistics=statistics.compute(pixels, self._spec),
            error=self._errors(pixels),
        )

    def judge(
        self, columns: Columns, rows: NDArray[np.int64] | None = None, given: int | None = None
    ) -> DriftReport:
        """A report on images already described, all of which are looked at.

        ``rows``: int64 [n], what the report calls them; ``given``: of how many they were taken.
        """
        if rows is None:
            rows = np.arange(len(columns))
        findings = [view.look(self._reference, columns) for view in self._views]
        adjusted = holm([finding.p_value for finding in findings])
        results = tuple(
            ViewResult(
                name=view.name,
                p_value=finding.p_value,
                adjusted=p_value,
                effect=finding.effect,
                minimum=view.minimum,
                unit=view.effect,
                words=finding.words,
                examples=tuple(rows[finding.examples].tolist()),
            )
            for view, finding, p_value in zip(self._views, findings, adjusted, strict=True)
        )
        evidence = min((one.adjusted for one in results if one.large), default=1.0)
        return DriftReport(
            state=self.rule.judge([evidence]).state,
            p_value=min(adjusted),
            evidence=evidence,
            threshold=self.settings.alpha,
            reason="",
            given=len(columns) if given is None else given,
            images=len(columns),
            reference=len(self._reference),
            views=results,
            classes=self._classes(columns),
        ).explained()

    def _missing(self, given: int, images: int) -> str | None:
        """Why there is not enough data, if so."""
        least, ratio = self.settings.least, self.settings.ratio
        if self.size == 0:
            return (
                f"Not enough data: the reference has {len(self._reference)} images, and windows of "
                f"{least} need {least * ratio:.0f}; train with a larger holdout."
            )
        if images < least:
            recorded = f" (of {given} recorded, by their weights)" if given != images else ""
            return f"Not enough data: {images} images{recorded}, and {least} are needed."
        return None

    def _errors(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32] | None:
        """float32 [N]: squared lengths of what the principal components leave of the features."""
        if self._mean is None or self._components is None:
            return None
        found = np.empty(len(pixels), np.float32)
        for start in range(0, len(pixels), _CHUNK):
            rest = self._spec.features(pixels[start : start + _CHUNK]) - self._mean
            rest -= (rest @ self._components.T) @ self._components
            found[start : start + _CHUNK] = np.einsum("nf,nf->n", rest, rest)
        return found

    def _classes(self, columns: Columns) -> tuple[ClassChange, ...]:
        before, now = self._reference.shares(), columns.shares()
        order = np.argsort(-np.abs(now - before), kind="stable")[:_CLASSES]
        return tuple(
            ClassChange(
                label=self._labels[place],
                reference=float(before[place]),
                window=float(now[place]),
                words=describe_proportion(
                    self._labels[place], float(before[place]), float(now[place])
                ),
            )
            for place in order.tolist()
            if now[place] != before[place]
        )


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values adjusted for their number, in their order: Holm, A simple sequentially rejective
    multiple test procedure, Scandinavian Journal of Statistics 6 (1979), pages 65 to 70.

    One below alpha may be rejected, with a chance of alpha at most that any of those is true.
    """
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, (len(p_values) - rank) * p_values[place])
        adjusted[place] = min(1.0, largest)
    return adjusted
