"""What a training of many classes costs after the embeddings: ``python -m bench.photo_classes``.

Clouds of numbers stand for embeddings of photos, as many and as wide as those of the default
extractor; all that follows is what ``python -m train --features`` does. Prints a table.
"""

import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import click
import numpy as np

from bench.table import markdown
from models.offline.succession import save
from models.store import Store
from tests.extractors import SPEC, saved_extractor, tiny_graph
from train.dataset import Dataset, split
from train.fit import train_parts
from train.near import NearDuplicates
from train.outlook import Outlook

DIMENSION = 1280
SPREAD = 1.2
"""Of a class, where its middle has numbers of about 1: some nine of ten are right."""


@dataclass
class Clock:
    """CPU seconds of each step, and how often progress was told."""

    steps: dict[str, float] = field(default_factory=dict)
    told: int = 0
    _began: float = field(default_factory=time.process_time)

    def lap(self, name: str) -> None:
        now = time.process_time()
        self.steps[name] = self.steps.get(name, 0.0) + now - self._began
        self._began = now

    def tell(self, *_: object) -> None:
        self.told += 1


def photos(classes: int, images: int) -> Dataset:
    """Embeddings as a network's: not negative, of clouds that overlap."""
    random = np.random.default_rng(0)
    targets = np.repeat(np.arange(classes), images)
    middles = random.gamma(1, 1, (classes, DIMENSION))
    noise = random.normal(0, SPREAD, (len(targets), DIMENSION))
    embeddings = np.maximum(0, middles[targets] + noise)
    pixels = random.integers(0, 256, (len(targets), SPEC.n_features), np.uint8)
    labels = np.array([f"class {index:03d}" for index in targets])
    return Dataset(pixels, labels, "classes", SPEC, embeddings=embeddings.astype(np.float32))


@click.command()
@click.option("--classes", default=300, show_default=True, type=click.IntRange(2))
@click.option("--images", default=20, show_default=True, type=click.IntRange(4))
@click.option("--recipe", default="logistic-features", show_default=True)
def main(classes: int, images: int, recipe: str) -> None:
    """One training, with CPU seconds of each step."""
    dataset, clock = photos(classes, images), Clock()
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder) / "models")
        extractor = saved_extractor(
            store, graph=tiny_graph(dimension=DIMENSION), dimension=DIMENSION
        )
        clock.lap("making the data")
        assert dataset.embeddings is not None  # noqa: S101 - as made
        NearDuplicates.of(dataset.embeddings)
        clock.lap("near-duplicates")
        Outlook.of(dataset, recipe, 0)
        clock.lap("outlook")
        result = train_parts(
            split(dataset, 0.2, 0),
            dataset,
            recipe,
            "classes",
            on_stage=clock.tell,
            drawn=True,
            extractor=extractor,
        )
        clock.lap("fitting and calibrating")
        saved = save(store, result.candidate, "never", result.trained_on, result.images)
        clock.lap("converting, checking and saving")
        size = sum(path.stat().st_size for path in saved.version.path.iterdir())
    steps = dict(clock.steps)
    steps.pop("making the data")
    rows = [[name, f"{seconds:.1f}"] for name, seconds in steps.items()]
    rows.append(["all", f"{sum(steps.values()):.1f}"])
    click.echo(markdown(("step", "CPU s"), rows))
    click.echo(
        f"{classes:,} classes of {images:,} images, {recipe}: {result.metrics.accuracy.value:.1%} "
        f"right; the version has {size / 1e6:.1f} MB; progress was told {clock.told:,} times."
    )


if __name__ == "__main__":
    main()
