"""Where windows come from: endless held-out images, and a classifier that was trained on others.

The holdout of the digits has a few hundred images, but a thousand windows of a thousand are needed.
So half of the digits is for training, and the other half is the population: an image is one of
them, chosen at random, with noise of a quarter of an ink value, so that no two are identical. Those
to train on have such noise, too, or they would be unlike the population.
References and windows are both drawn from it, so that the distribution is the same by construction.
The shapes (circles, squares and triangles, RGB 64x64) are newly drawn each time.
"""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.shifts import Shift
from images.spec import ImageSpec
from models.manifest import Label
from models.neighbours import Neighbours
from models.offline.conversion import convert
from models.reference import Reference
from models.runtime import OnnxRuntime
from monitor.drift.columns import Columns
from monitor.drift.detector import DriftDetector, DriftSettings
from tests.drawing import SHAPES, draw_folder, draw_shape
from train.components import principal_components
from train.data_size import DataSize
from train.dataset import Dataset, split
from train.digits import load_digits
from train.folder import load_folder
from train.recipes import recipe

JITTER = 4.0
TRAINED_SHAPES = 200


@dataclass(frozen=True, eq=False)
class Pool:
    """Images to draw from. ``pixels``: uint8 [P, F]; ``labels``: int64 [P]; ``columns``: what the
    views compare, of each."""

    pixels: NDArray[np.uint8]
    labels: NDArray[np.int64]
    columns: Columns

    def take(self, rows: NDArray[np.int64]) -> "Pool":
        """The given rows alone."""
        return Pool(self.pixels[rows], self.labels[rows], self.columns.take(rows))

    def joined(self, other: "Pool") -> "Pool":
        """Both, one after the other."""
        mine, others = self.columns, other.columns
        error = None
        if mine.error is not None and others.error is not None:
            error = np.concatenate([mine.error, others.error])
        strangeness = None
        if mine.strangeness is not None and others.strangeness is not None:
            strangeness = np.concatenate([mine.strangeness, others.strangeness])
        columns = Columns(
            np.concatenate([mine.outputs, others.outputs]),
            np.concatenate([mine.statistics, others.statistics]),
            error,
            strangeness,
        )
        return Pool(
            np.concatenate([self.pixels, other.pixels]),
            np.concatenate([self.labels, other.labels]),
            columns,
        )


@dataclass(frozen=True, eq=False)
class Population:
    """A classifier and the images that it gets; ``among``: float32 [T], the distances of its
    training images to the nearest other."""

    name: str
    spec: ImageSpec
    labels: tuple[Label, ...]
    runtime: OnnxRuntime
    mean: NDArray[np.float32]
    components: NDArray[np.float32]
    neighbours: Neighbours
    among: NDArray[np.float32]
    draw: Callable[[int, np.random.Generator], tuple[NDArray[np.uint8], NDArray[np.int64]]]

    def pool(self, count: int, rng: np.random.Generator) -> Pool:
        pixels, labels = self.draw(count, rng)
        return self.described(pixels, labels)

    def shifted(self, pool: Pool, count: int, shift: Shift, rng: np.random.Generator) -> Pool:
        """``count`` images of the pool after the shift, or all for a shift of the classes."""
        if shift.change is None:
            return pool
        rows = rng.integers(len(pool.pixels), size=count)
        pixels = shift.apply(pool.pixels[rows], self.spec, rng)
        return self.described(pixels, pool.labels[rows])

    def reference(
        self, pool: Pool, rows: NDArray[np.int64], drawn_from: NDArray[np.int64] | None = None
    ) -> Reference:
        """``drawn_from``: int64 [C], images of each class among all that the rows are of."""
        held = pool.columns.strangeness
        return Reference(
            neighbours=self.neighbours.small,
            nearest=self.among if held is None else np.concatenate([held[rows], self.among]),
            pixels=pool.pixels[rows],
            labels=pool.labels[rows],
            probabilities=pool.columns.outputs[rows],
            pca_mean=self.mean,
            pca_components=self.components,
            drawn_from=drawn_from,
        )

    def detector(
        self, reference: Reference, settings: DriftSettings | None = None
    ) -> DriftDetector:
        return DriftDetector(settings).fit(reference, self.spec, self.labels)

    def probabilities(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        chunks = [
            self.runtime.run(self.spec.features(pixels[start : start + 256])).scores
            for start in range(0, len(pixels), 256)
        ]
        return np.concatenate(chunks)

    def described(self, pixels: NDArray[np.uint8], labels: NDArray[np.int64]) -> Pool:
        """A pool of these images."""
        nothing = Reference(
            neighbours=self.neighbours.small,
            nearest=self.among,
            pixels=np.empty((0, self.spec.n_features), np.uint8),
            labels=np.empty(0, np.int64),
            probabilities=np.empty((0, len(self.labels)), np.float32),
            pca_mean=self.mean,
            pca_components=self.components,
        )
        detector = self.detector(nothing)
        return Pool(pixels, labels, detector.describe(pixels, self.probabilities(pixels)))


def digits(recipe_name: str, seed: int, share: float = 0.5) -> Population:
    """``share``: of the images that are the population, and not trained on."""
    spec = ImageSpec.parse("digits")
    parts = split(load_digits(spec), share, seed)
    held = parts.holdout

    def noisy(pixels: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
        return np.clip(np.rint(pixels + rng.normal(0, JITTER, pixels.shape)), 0, 255).astype(
            np.uint8
        )

    def draw(count: int, rng: np.random.Generator) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        rows = rng.integers(len(held), size=count)
        return noisy(held.pixels[rows], rng), held.indices[rows]

    pixels = noisy(parts.train.pixels[:], np.random.default_rng([seed, 1]))
    return _trained("digits", recipe_name, replace(parts.train, pixels=pixels), seed, draw)


def shapes(recipe_name: str, seed: int) -> Population:
    spec = ImageSpec.parse("rgb-64x64")
    with tempfile.TemporaryDirectory() as folder:
        dataset = load_folder(draw_folder(Path(folder) / "shapes", TRAINED_SHAPES, seed), spec)

    def draw(count: int, rng: np.random.Generator) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        labels = rng.integers(len(SHAPES), size=count)
        images = [np.asarray(draw_shape(SHAPES[index], rng)).reshape(-1) for index in labels]
        return np.stack(images), labels

    return _trained("shapes, RGB 64x64", recipe_name, dataset, seed, draw)


def _trained(
    name: str,
    recipe_name: str,
    data: Dataset,
    seed: int,
    draw: Callable[[int, np.random.Generator], tuple[NDArray[np.uint8], NDArray[np.int64]]],
) -> Population:
    features = data.features()
    estimator = recipe(recipe_name).build(seed, DataSize.of(data.targets))
    estimator.fit(features, data.targets)
    runtime = OnnxRuntime(convert(estimator, data.spec.n_features).model)
    mean, main = principal_components(features, seed)
    near = Neighbours.of(data.pixels[:], data.spec)
    return Population(
        f"{name}, {recipe_name}",
        data.spec,
        data.labels,
        runtime,
        mean,
        main,
        near,
        near.among(data.pixels[:]),
        draw,
    )
