"""Whether versions on an extractor are as honest as they say, of few photos.

    python -m bench.photo_honest [--splits 30]

As ``bench.honest`` of the digits. Needs ``scripts/install photos``, and apt for the pictures;
writes ``bench/photo_honest.md``, in ten minutes on a busy core.
"""

import sys
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import click
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.stats import betabinom
from sklearn.model_selection import StratifiedKFold, train_test_split
from threadpoolctl import threadpool_limits

from bench.machine import heading
from bench.photo_sets import in_folder, photo_sets
from bench.process import ROOT
from bench.shipped import letters
from bench.strange import auroc, photos, recall
from bench.table import markdown
from images.spec import ImageSpec
from models.coverage import Coverage, chance_of, most, rank
from models.embedding_cache import EmbeddingCache
from models.extractor import Extractor
from models.familiarity import Familiarity
from models.offline.bringing_extractor import bring_default
from models.offline.embeddings import embeddings_of
from models.store import Store
from tests.drawing import SHAPES, draw_shape
from train.calibration import bare, calibrate
from train.data_size import DataSize
from train.embedding import embedded
from train.evaluate import CALIBRATION_BINS, calibration_error
from train.folder import load_folder
from train.recipes import recipe

RECIPES: Final = ("logistic", "svc", "knn", "lda")
COVERAGES: Final = (0.9, 0.95, 0.99)
FOLDS: Final = 5
PERFECT: Final = 200
STRANGE: Final = 60
SHARE: Final = 0.05

EXPLAINED = f"""
The photos of `bench/photos.md`, on their embeddings. *Calibration error*: in {CALIBRATION_BINS}
bins, over all photos, each predicted by a classifier that was trained and calibrated on four fifths
that it is not in; *perfect*: the mean of {PERFECT} draws of outcomes that are as probable as the
classifier says, which so few photos leave above zero. *Covered*: of random splits into 40 % to
train on, 35 % held out, 25 % asked about. *expected*: what the coverage of a split is in 95 of 100
where the promise holds exactly, with so many held out and asked about (beta-binomial); *within*:
the proportion of splits in this range or above. A coverage that so few cannot state is refused,
as by the server. *Unknown*: of strange images, the probability that one is farther away than a
photo that was not trained on, and the proportion beyond the limit of {SHARE:.0%}; *a class that was
left out*: of each class, its photos where a version was trained on all other classes.
"""

Embeddings = NDArray[np.float32]


def fitted(name: str, features: Embeddings, targets: NDArray[Any], seed: int) -> Any:
    """Calibrated, as a training does it with the recipe's usual parameters."""
    chosen = recipe(f"{name}-features")
    base = bare(chosen.build(seed, DataSize.of(targets))).fit(features, targets)
    found = calibrate(base, features, targets, None, seed, chosen.calibration_folds)
    assert found is not None  # noqa: S101 - there are enough photos
    return found.estimator


def calibration(features: Embeddings, targets: NDArray[Any], name: str) -> list[str]:
    """A row: calibration error, that of a perfect one, and accuracy."""
    labels, truth = np.unique(targets, return_inverse=True)
    probabilities = np.zeros((len(targets), len(labels)))
    for rest, own in StratifiedKFold(FOLDS, shuffle=True, random_state=0).split(features, targets):
        classifier = fitted(name, features[rest], targets[rest], 0)
        probabilities[own] = classifier.predict_proba(features[own])
    rng = np.random.default_rng(0)
    confidence, top = probabilities.max(axis=1), probabilities.argmax(axis=1)
    perfect = [
        calibration_error(np.where(rng.random(len(top)) < confidence, top, -1), probabilities)
        for _ in range(PERFECT)
    ]
    found = calibration_error(truth.astype(np.int64), probabilities)
    return [f"{found:.3f}", f"{np.mean(perfect):.3f}", f"{(top == truth).mean():.3f}"]


def coverage(
    features: Embeddings, targets: NDArray[Any], name: str, splits: int
) -> list[list[str]]:
    """A row for each coverage."""
    truth = np.unique(targets, return_inverse=True)[1].astype(np.int64)
    found: dict[float, list[tuple[float, float]]] = {wanted: [] for wanted in COVERAGES}
    held_images = asked_images = 0
    for seed in range(splits):
        rows = np.arange(len(targets))
        trained, rest = train_test_split(rows, train_size=0.4, stratify=truth, random_state=seed)
        # Neither of the two knows the other's classes, as images of production do not.
        held, asked = np.split(rest, [len(rest) * 35 // 60])
        held_images, asked_images = len(held), len(asked)
        classifier = fitted(name, features[trained], targets[trained], seed)
        given = classifier.predict_proba(features[held]).astype(np.float32)
        kept = Coverage.of(given, truth[held])
        probabilities = classifier.predict_proba(features[asked]).astype(np.float32)
        for wanted in COVERAGES:
            sets = [
                kept.labels(row, wanted, chance_of(inputs))
                for row, inputs in zip(probabilities, features[asked], strict=True)
            ]
            if any(labels is None for labels in sets):
                continue
            inside = [
                label in (labels or []) for label, labels in zip(truth[asked], sets, strict=True)
            ]
            sizes = [len(labels or []) for labels in sets]
            found[wanted].append((float(np.mean(inside)), float(np.mean(sizes))))
    rows_found = []
    for wanted in COVERAGES:
        place = rank(held_images, wanted)
        if place is None:
            refused = f"refused: {held_images} state up to {most(held_images):.3f}"
            rows_found.append([f"{name}, {wanted:g}", refused, "–", "–", "–", "–"])
            continue
        law = betabinom(asked_images, place, held_images + 1 - place)
        low, high = (law.ppf(share) / asked_images for share in (0.025, 0.975))
        covered, sizes_found = np.array(found[wanted]).T
        rows_found.append(
            [
                f"{name}, {wanted:g}",
                f"{covered.mean():.3f}",
                f"{covered.min():.3f} to {covered.max():.3f}",
                f"{low:.3f} to {high:.3f}",
                f"{(covered >= low - 1e-9).mean():.0%}",
                f"{sizes_found.mean():.2f}",
            ]
        )
    return rows_found


def strange(spec: ImageSpec, nature: Sequence[Path]) -> Mapping[str, NDArray[np.uint8]]:
    """Images of no class, uint8 [N, n_features] each."""
    rng = np.random.default_rng(0)

    def small(image: Image.Image) -> NDArray[np.uint8]:
        resized = image.convert("RGB").resize((spec.width, spec.height))
        return np.asarray(resized, np.uint8).reshape(-1)

    scenes = []
    for number in range(STRANGE):
        with Image.open(nature[number % len(nature)]) as photo:
            side = int(min(photo.size) * rng.uniform(0.35, 0.9))
            left, top = (int(rng.integers(0, size - side + 1)) for size in photo.size)
            scenes.append(small(photo.crop((left, top, left + side, top + side))))
    gray = ImageSpec(mode="L", width=spec.width, height=spec.height)
    drawn = [small(draw_shape(SHAPES[i % len(SHAPES)], rng, 64)) for i in range(STRANGE)]
    return {
        "photos of nature, without a thing": np.stack(scenes),
        "parts of two other photos": photos(STRANGE, spec, rng),
        "letters": np.repeat(letters(STRANGE, gray, rng), 3, axis=1),
        "drawn shapes": np.stack(drawn),
        "noise": rng.integers(0, 256, (STRANGE, spec.n_features)).astype(np.uint8),
    }


def unknown(features: Embeddings, others: Mapping[str, Embeddings], splits: int) -> list[list[str]]:
    """A row for each kind of strange images; the first has photos that are as in training."""
    found: dict[str, list[tuple[float, float]]] = {}
    for seed in range(splits):
        rows = np.random.default_rng([seed, 3]).permutation(len(features))
        trained, held, asked = np.split(rows, [len(rows) * 40 // 100, len(rows) * 75 // 100])
        familiarity = Familiarity.of(features[trained], features[held], None, seed)
        own, far = (familiarity.of_images(features[some]) for some in (asked, held))
        for name, inputs in {"photos as in training": features[asked], **others}.items():
            away = familiarity.of_images(inputs)
            found.setdefault(name, []).append((auroc(own, away), recall(far, away, SHARE)))
    means = {name: np.mean(values, axis=0) for name, values in found.items()}
    first = next(iter(means))
    return [
        [name, "–" if name == first else f"{rank_of:.3f}", f"{beyond:.2f}"]
        for name, (rank_of, beyond) in means.items()
    ]


def left_out(features: Embeddings, targets: NDArray[Any], splits: int) -> list[str]:
    """The row of ``unknown`` for photos of a class that was not trained on: the mean of classes."""
    found = []
    for one in np.unique(targets):
        is_one = targets == one
        *_, row = unknown(features[~is_one], {"": features[is_one]}, splits)
        found.append([float(cell) for cell in row[1:]])
    rank_of, beyond = np.mean(found, axis=0)
    return ["a class that was left out", f"{rank_of:.3f}", f"{beyond:.2f}"]


def tables(
    name: str, folder: Path, extractor: Extractor, nature: Sequence[Path], splits: int
) -> list[str]:
    data = embedded(load_folder(folder, extractor.manifest.image_spec), extractor)
    features, targets = data.features(), data.targets
    errors, covered = [], []
    for one in RECIPES:
        errors.append([one, *calibration(features, targets, one)])
        covered += coverage(features, targets, one, splits)
        click.echo(f"{name}: {errors[-1]}, {covered[-len(COVERAGES) :]}", err=True)
    cache = EmbeddingCache(extractor)
    others = {
        kind: embeddings_of(pixels, extractor, cache)
        for kind, pixels in strange(extractor.manifest.image_spec, nature).items()
    }
    strangers = [*unknown(features, others, splits), left_out(features, targets, splits)]
    click.echo(f"{name}: {strangers}", err=True)
    head = ("recipe, nominal", "covered", "single splits", "expected", "within", "labels in a set")
    return [
        f"\n## Things {name}\n",
        markdown(("recipe", "calibration error", "perfect", "accuracy"), errors),
        f"\n{splits} splits:\n",
        markdown(head, covered),
        "\nUnknown:\n",
        markdown(("", "AUROC", f"beyond the {SHARE:.0%} limit"), strangers),
    ]


@click.command()
@click.option("--splits", default=30, show_default=True, type=click.IntRange(2))
@in_folder
@click.option(
    "--output", default=ROOT / "bench" / "photo_honest.md", type=click.Path(path_type=Path)
)
def main(splits: int, folder: Path, output: Path) -> None:
    """Measure calibration, coverage and what is recognized as unknown, of photos."""
    warnings.filterwarnings("ignore")
    sets = photo_sets(folder)
    nature = sorted(folder.glob("mate-backgrounds/**/nature/*.jpg"))
    text = [
        heading("Honest answers of few photos", ["python -m bench.photo_honest", *sys.argv[1:]])
    ]
    text.append(EXPLAINED)
    with tempfile.TemporaryDirectory() as home, threadpool_limits(1, user_api="blas"):
        extractor = bring_default(Store(Path(home) / "models")).extractor
        for name, path in sets.items():
            text += tables(name, path, extractor, nature, splits)
    output.write_text("\n".join(text).rstrip() + "\n", encoding="utf-8")
    click.echo(f"Wrote {output}.")


if __name__ == "__main__":
    main()
