"""Photos: raw pixels against an extractor's embeddings, ``python -m bench.photos``.

Writes ``bench/photos.md``. Needs ``scripts/install photos``, and apt for the pictures.
"""

import sys
import tempfile
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import click
import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import StratifiedKFold
from threadpoolctl import threadpool_limits

from bench.machine import heading
from bench.photo_fits import PLAIN, Fit, by_recipe, plain
from bench.photo_sets import in_folder, photo_sets
from bench.process import ROOT
from bench.table import markdown
from images.spec import ImageSpec
from models.embedding_cache import EmbeddingCache
from models.offline.bringing_extractor import bring_default
from models.offline.embeddings import embeddings_of
from models.store import Store
from train.embedding import embedded
from train.folder import load_folder

FOLDS: Final = 5
SHOTS: Final = (5, 10, 20, 50)
PIXELS: Final = "rgb-64x64"
RAW: Final = ("svc",)
SETS: Final = ("on white", "on photos")
OURS: Final = ("logistic", "svc", "knn")
BEST_PLAIN: Final = "the best of the plain ones less ours, logistic"

EXPLAINED = f"""
Photographed things of Debian's `tuxpaint-stamps-default`, sorted by folder into five everyday
classes, and the same things on photos of nature from `mate-backgrounds` (`bench/photo_sets.py`).
*accuracy*: of all photos, and *balanced*: the mean of the classes, in {FOLDS}-fold
cross-validation, over several seeds, with the 95 % interval of photos drawn again (bootstrap).
*pixels*: what Pupila does without an extractor, {PIXELS}. *features*: what
`python -m train --features efficientnet-lite0` does, its search of parameters within each fold
included. *plain*: what a notebook would do with the same embeddings.
"""

FITTED = """
## How photos fit into the network's square

The same network and recipe, and photos that are stretched, cropped in the middle, or put on white.
"""

FEW = """
*Few*: trained on so many photos of each class, or on three quarters of a class that has fewer; the
rest is the test. Means over the seeds.
"""


@dataclass(frozen=True)
class Result:
    """``right``: bool [seeds, N], out of fold; ``balanced``: floats [seeds]."""

    right: NDArray[np.bool_]
    balanced: NDArray[np.float64]
    targets: NDArray[Any]

    @property
    def cells(self) -> list[str]:
        share = self.right.mean(axis=0)
        random = np.random.default_rng(0)
        draws, balanced = [], []
        classes = [np.flatnonzero(self.targets == one) for one in np.unique(self.targets)]
        for _ in range(1000):
            rows = random.integers(0, len(share), len(share))
            draws.append(share[rows].mean())
            balanced.append(
                np.mean([share[random.choice(one, len(one))].mean() for one in classes])
            )
        return [
            f"{share.mean():.3f} ({_range(draws)})",
            f"{self.balanced.mean():.3f} ({_range(balanced)})",
        ]


def _range(values: list[Any]) -> str:
    low, high = np.quantile(values, (0.025, 0.975))
    return f"{low:.3f} to {high:.3f}"


def crossed(fit: Fit, features: NDArray[np.float32], targets: NDArray[Any], seeds: int) -> Result:
    right, balanced = [], []
    for seed in range(seeds):
        found = np.empty_like(targets)
        for rest, fold in StratifiedKFold(FOLDS, shuffle=True, random_state=seed).split(
            features, targets
        ):
            found[fold] = fit(features[rest], targets[rest], seed).predict(features[fold])
        right.append(found == targets)
        balanced.append(balanced_accuracy_score(targets, found))
    return Result(np.array(right), np.array(balanced), targets)


def few(
    fit: Fit, features: NDArray[np.float32], targets: NDArray[Any], shots: int, seeds: int
) -> tuple[float, float]:
    """Accuracy and balanced accuracy."""
    found = []
    for seed in range(seeds):
        random = np.random.default_rng(seed)
        rows = []
        for label in np.unique(targets):
            members = random.permutation(np.flatnonzero(targets == label))
            rows.append(members[: min(shots, len(members) * 3 // 4)])
        train = np.concatenate(rows)
        test = np.setdiff1d(np.arange(len(targets)), train)
        predicted = fit(features[train], targets[train], seed).predict(features[test])
        accuracy = (predicted == targets[test]).mean()
        found.append((accuracy, balanced_accuracy_score(targets[test], predicted)))
    accuracy, balanced = np.mean(found, axis=0)
    return float(accuracy), float(balanced)


@dataclass(frozen=True)
class Row:
    """One way to classify: its cells of both tables, and the accuracies that were counted."""

    label: str
    whole: list[str]
    few: list[str]
    accuracies: tuple[float, ...]

    @classmethod
    def of(
        cls, label: str, fit: Fit, features: NDArray[np.float32], targets: NDArray[Any], seeds: int
    ) -> Self:
        began = time.process_time()
        found = crossed(fit, features, targets, seeds)
        scores = [few(fit, features, targets, count, seeds) for count in SHOTS]
        click.echo(f"{label}: {found.cells}, {time.process_time() - began:.0f} s", err=True)
        return cls(
            label,
            found.cells,
            [f"{accuracy:.3f} ({mean:.3f})" for accuracy, mean in scores],
            (float(found.right.mean()), *(accuracy for accuracy, _ in scores)),
        )


@dataclass(frozen=True)
class Photos:
    """A set of photos, as pixels and as embeddings."""

    name: str
    pixels: NDArray[np.float32]
    embeddings: NDArray[np.float32]
    targets: NDArray[Any]
    about: str

    @classmethod
    def of(cls, name: str, folder: Path, store: Store) -> Self:
        extractor = bring_default(store).extractor
        data = load_folder(folder, extractor.manifest.image_spec)
        began = time.process_time()
        data = embedded(data, extractor)
        took = (time.process_time() - began) / len(data)
        counts = ", ".join(f"{count} {label}" for label, count in data.counts.items())
        cost = f"{1000 * took:.0f} ms of CPU a photo" if took > 1e-3 else "read from the cache"
        about = f"\n## Things {name}\n\n{len(data)} photos: {counts}. Embeddings: {cost}.\n"
        pixels = load_folder(folder, ImageSpec.parse(PIXELS)).features()
        return cls(name, pixels, data.features(), data.targets, about)

    def rows(self, seeds: int, recipes: Sequence[str], raw: Sequence[str]) -> Iterator[Row]:
        fits: dict[str, tuple[Fit, NDArray[np.float32]]] = {
            **{f"features, {one}": (by_recipe(f"{one}-features"), self.embeddings)
               for one in recipes},
            **{f"plain, {one}": (plain(make), self.embeddings) for one, make in PLAIN.items()},
            **{f"pixels, {one}": (by_recipe(one), self.pixels) for one in raw},
        }  # fmt: skip
        for label, (fit, features) in fits.items():
            click.echo(f"{self.name}: {label} ...", err=True)
            yield Row.of(label, fit, features, self.targets, seeds)

    def tables(self, rows: Sequence[Row]) -> str:
        """Those that are there, ours before those of a notebook, and with what tells them apart."""
        parts = [
            self.about,
            markdown(("", "accuracy", "balanced"), [[row.label, *row.whole] for row in rows]),
            f"\n### Few, {self.name}: accuracy (balanced)\n",
            markdown(("photos a class", *map(str, SHOTS)), [[row.label, *row.few] for row in rows]),
        ]
        notebook = [row.accuracies for row in rows if row.label.startswith("plain")]
        ours = [row.accuracies for row in rows if row.label == "features, logistic"]
        if notebook and ours:
            apart = (np.max(notebook, axis=0) - ours[0]) * 100
            cells = [f"{points:+.1f}" for points in apart]
            head = (f"Points, {self.name}", "all", *map(str, SHOTS))
            parts += ["", markdown(head, [[BEST_PLAIN, *cells]])]
        return "\n".join(parts)


def fitted(folder: Path, store: Store, seeds: int) -> str:
    """Accuracies of the default extractor by how photos are made to fit."""
    extractor = bring_default(store).extractor
    usual, cache = extractor.manifest.image_spec, EmbeddingCache(extractor)
    ways: dict[str, dict[str, Any]] = {
        "stretched": {"fit": "stretch"},
        "cropped": {"fit": "crop"},
        "cropped from 256": {"fit": "crop", "shortest": 256},
        "letterbox, white": {"fit": "letterbox", "fill": 255},
    }
    rows = []
    for name, fields in ways.items():
        click.echo(f"{name} ...", err=True)
        data = load_folder(folder, ImageSpec.model_validate(usual.model_dump() | fields))
        features = embeddings_of(data.pixels, extractor, cache)
        found = crossed(by_recipe("logistic-features"), features, data.targets, seeds)
        rows.append([name, *found.cells])
    return markdown(("", "accuracy", "balanced"), rows)


@click.command()
@click.option("--seeds", default=5, show_default=True, type=click.IntRange(1))
@click.option(
    "--recipe", "recipes", multiple=True, default=OURS, help="Of ours; lda takes ten minutes more."
)
@click.option("--raw", multiple=True, default=RAW, help="Of pixels; logistic takes as long.")
@click.option("--set", "chosen", multiple=True, default=SETS, type=click.Choice(SETS))
@in_folder
@click.option("--output", default=ROOT / "bench" / "photos.md", type=click.Path(path_type=Path))
def main(
    seeds: int,
    recipes: tuple[str, ...],
    raw: tuple[str, ...],
    chosen: tuple[str, ...],
    folder: Path,
    output: Path,
) -> None:
    """Take all measurements: ten minutes of a core. What is there is written after each."""
    warnings.filterwarnings("ignore")
    sets = photo_sets(folder)
    head = [heading("Photos", ["python -m bench.photos", *sys.argv[1:]]), EXPLAINED, FEW]
    done: list[str] = []

    def write(*more: str) -> None:
        output.write_text("\n".join([*head, *done, *more]).rstrip() + "\n", encoding="utf-8")

    with tempfile.TemporaryDirectory() as home, threadpool_limits(1, user_api="blas"):
        store = Store(Path(home) / "models")
        for name in chosen:
            photos, rows = Photos.of(name, sets[name], store), list[Row]()
            for row in photos.rows(seeds, recipes, raw):
                rows.append(row)
                write(photos.tables(rows))
            done.append(photos.tables(rows))
        done += [FITTED, fitted(sets["on white"], store, seeds)]
    write()
    click.echo(f"Wrote {output}.")


if __name__ == "__main__":
    main()
