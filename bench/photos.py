"""Photos: raw pixels against an extractor's embeddings, ``python -m bench.photos``.

Writes ``bench/photos.md``. Needs ``scripts/install photos``, and apt for the pictures.
"""

import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import click
import numpy as np
from numpy.typing import NDArray
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import StratifiedKFold
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer, StandardScaler
from sklearn.svm import SVC
from threadpoolctl import threadpool_limits

from bench.machine import heading
from bench.photo_sets import photo_sets
from bench.process import ROOT
from bench.table import markdown
from images.spec import ImageSpec
from models.offline.bringing_extractor import bring_default
from models.store import Store
from train.calibration import bare
from train.data_size import DataSize
from train.dataset import Dataset
from train.embedding import embedded
from train.folder import load_folder
from train.recipes import recipe
from train.tuning import tuned

FOLDS: Final = 5
SHOTS: Final = (5, 10, 20, 50)
PIXELS: Final = "rgb-64x64"
OURS: Final = ("logistic", "svc", "knn", "lda")

Fit = Callable[[NDArray[np.float32], NDArray[Any], int], Any]

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

PLAIN: Final[Mapping[str, Callable[[], Any]]] = {
    "LogisticRegression()": lambda: LogisticRegression(max_iter=1000),
    "StandardScaler, LogisticRegression": lambda: make_pipeline(
        StandardScaler(), LogisticRegression(max_iter=1000)
    ),
    "StandardScaler, SVC": lambda: make_pipeline(StandardScaler(), SVC()),
    "Normalizer, SVC(C=10)": lambda: make_pipeline(Normalizer(), SVC(C=10)),
    "KNeighborsClassifier()": KNeighborsClassifier,
    "LinearDiscriminantAnalysis, shrunk": lambda: LinearDiscriminantAnalysis(
        solver="lsqr", shrinkage=0.3
    ),
}


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


def by_recipe(name: str, parameters: Mapping[str, Any] | None = None) -> Fit:
    """As a training does it; the calibration changes no label, and is left out."""
    chosen = recipe(name)

    def fit(features: NDArray[np.float32], targets: NDArray[Any], seed: int) -> Any:
        found = tuned(chosen, features, targets, None, seed, lambda _done, _total: None)
        built = chosen.build(seed, DataSize.of(targets)).set_params(**(parameters or {}), **found)
        return bare(built).fit(features, targets)

    return fit


def plain(make: Callable[[], Any]) -> Fit:
    return lambda features, targets, _seed: make().fit(features, targets)


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


def tables(name: str, folder: Path, store: Store, seeds: int) -> list[str]:
    extractor = bring_default(store).extractor
    began = time.process_time()
    data: Dataset = load_folder(folder, extractor.manifest.image_spec)
    data = embedded(data, extractor)
    took = (time.process_time() - began) / len(data)
    pixels = load_folder(folder, ImageSpec.parse(PIXELS)).features()
    fits: dict[str, tuple[Fit, NDArray[np.float32]]] = {
        **{f"pixels, {one}": (by_recipe(one), pixels) for one in ("svc", "logistic")},
        **{f"features, {one}": (by_recipe(f"{one}-features"), data.features()) for one in OURS},
        **{f"plain, {one}": (plain(make), data.features()) for one, make in PLAIN.items()},
    }
    rows, shots = [], []
    for label, (fit, features) in fits.items():
        click.echo(f"{name}: {label} ...", err=True)
        rows.append([label, *crossed(fit, features, data.targets, seeds).cells])
        scores = [few(fit, features, data.targets, count, seeds) for count in SHOTS]
        shots.append([label, *(f"{accuracy:.3f} ({mean:.3f})" for accuracy, mean in scores)])
    counts = ", ".join(f"{count} {label}" for label, count in data.counts.items())
    about = (
        f"\n## Things {name}\n\n{len(data)} photos: {counts}. Reading and embedding took "
        f"{1000 * took:.0f} ms of CPU a photo.\n"
    )
    return [
        about,
        markdown(("", "accuracy", "balanced"), rows),
        f"\n### Few, {name}: accuracy (balanced)\n",
        markdown(("photos a class", *map(str, SHOTS)), shots),
    ]


def fitted(folder: Path, store: Store, seeds: int) -> str:
    """Accuracies of the default extractor by how photos are made to fit."""
    extractor = bring_default(store).extractor
    usual, embedder = extractor.manifest.image_spec, extractor.open()
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
        features = embedder.run(data.features())
        found = crossed(by_recipe("logistic-features"), features, data.targets, seeds)
        rows.append([name, *found.cells])
    return markdown(("", "accuracy", "balanced"), rows)


@click.command()
@click.option("--seeds", default=5, show_default=True, type=click.IntRange(1))
@click.option(
    "--folder",
    default=Path(tempfile.gettempdir()) / "pupila-bench-photos",
    type=click.Path(path_type=Path),
    help="Where the packages and both sets are kept.",
)
@click.option("--output", default=ROOT / "bench" / "photos.md", type=click.Path(path_type=Path))
def main(seeds: int, folder: Path, output: Path) -> None:
    """Take all measurements, which need some minutes."""
    warnings.filterwarnings("ignore")
    sets = photo_sets(folder)
    text = [heading("Photos", ["python -m bench.photos", *sys.argv[1:]]), EXPLAINED, FEW]
    with tempfile.TemporaryDirectory() as store, threadpool_limits(1, user_api="blas"):
        for name, path in sets.items():
            text += tables(name, path, Store(Path(store) / "models"), seeds)
        text += [FITTED, fitted(sets["on white"], Store(Path(store) / "models"), seeds)]
    output.write_text("\n".join(text).rstrip() + "\n", encoding="utf-8")
    click.echo(f"Wrote {output}.")


if __name__ == "__main__":
    main()
