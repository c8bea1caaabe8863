"""Whether versions are as honest as they say: calibration, coverage, and images that are unknown.

    python -m bench.honest [--splits 30] [--recipe svc]

Prints the tables and writes them to ``bench/honest.md``; ten minutes on a busy core.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.model_selection import StratifiedKFold
from threadpoolctl import threadpool_limits

from bench.machine import heading
from bench.strange import auroc, others, recall, ways
from bench.table import markdown
from images.spec import ImageSpec
from models.coverage import Coverage, chance_of
from train.calibration import bare, calibrate
from train.data_size import DataSize
from train.dataset import Dataset
from train.digits import load_digits
from train.evaluate import CALIBRATION_BINS, calibration_error
from train.recipes import RECIPES, recipe

ROOT = Path(__file__).resolve().parent.parent
FOLDS = 5
COVERAGES = (0.9, 0.95, 0.99)
SHARES = (0.05, 0.01)
PERFECT = 200
"""Draws of outcomes from the confidences, that a perfect classifier would have."""
EXPLAINED = f"""\
The 1,797 digits of scikit-learn, in their own size. *Calibration error*: the mean gap between
confidence and accuracy of the predicted label in {CALIBRATION_BINS} bins of equal width
(`train/evaluate.py`), over all digits, each predicted by a classifier that was trained and
calibrated on four fifths that it is not in. *As it was*: by the recipe before every version was
calibrated, with scikit-learn's sigmoids for the SVCs; *perfect*: the mean of {PERFECT} draws of
outcomes that are as probable as the classifier says. *Coverage*: of random splits into 60 % to
train on, 20 % held out, 20 % asked about; the range is of single splits, whose 360 images alone
scatter by 1.6 points at 0.9; of labels that are tied at the limit, as those of knn, whose
probabilities take few values, as many are inside as the coverage needs. *AUROC*: the probability
that a strange image is farther away than a digit that was not trained on. *Recall*: of strange
images, those beyond the limit that 5 % or 1 % of the held-out digits are beyond; the first row has
the digits themselves.
"""


def calibration(digits: Dataset, names: Sequence[str]) -> str:
    """The table of all recipes."""
    rows = []
    for name in names:
        before, after = _out_of_fold(digits, name)
        truth = np.unique(digits.targets, return_inverse=True)[1].astype(np.int64)
        rng = np.random.default_rng(0)
        confidence, top = after.max(axis=1), after.argmax(axis=1)
        perfect = [
            calibration_error(np.where(rng.random(len(top)) < confidence, top, -1), after)
            for _ in range(PERFECT)
        ]
        rows.append(
            [
                name,
                f"{calibration_error(truth, before):.4f}",
                f"{calibration_error(truth, after):.4f}",
                f"{np.mean(perfect):.4f}",
                f"{_loss(truth, before):.4f}",
                f"{_loss(truth, after):.4f}",
                f"{(before.argmax(axis=1) == truth).mean():.4f}",
                f"{(after.argmax(axis=1) == truth).mean():.4f}",
            ]
        )
        click.echo(f"calibration: {rows[-1]}", err=True)
    head = (
        "recipe", "as it was", "calibrated", "perfect", "log-loss", "calibrated", "accuracy",
        "calibrated",
    )  # fmt: skip
    return markdown(head, rows)


def _out_of_fold(digits: Dataset, name: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    features, targets = digits.features(), digits.targets
    shape = (len(targets), len(np.unique(targets)))
    before, after = np.zeros(shape), np.zeros(shape)
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
    for rest, own in folds.split(features, targets):
        whole = recipe(name).build(0, DataSize.of(targets[rest]))
        as_it_was = clone(whole).fit(features[rest], targets[rest])
        before[own] = as_it_was.predict_proba(features[own])
        base = bare(whole).fit(features[rest], targets[rest])
        after[own] = _calibrated(name, base, features[rest], targets[rest]).predict_proba(
            features[own]
        )
    return before, after


def _calibrated(
    name: str, base: Any, features: NDArray[np.float32], targets: NDArray[Any], seed: int = 0
) -> Any:
    found = calibrate(base, features, targets, None, seed, recipe(name).calibration_folds)
    assert found is not None  # noqa: S101 - there are enough digits
    return found.estimator


def _loss(truth: NDArray[np.int64], probabilities: NDArray[np.float64]) -> float:
    return float(-np.log(probabilities[np.arange(len(truth)), truth] + 1e-12).mean())


class Split:
    """A classifier of 60 % of the digits, 20 % held out and 20 % to ask about."""

    def __init__(self, digits: Dataset, name: str, seed: int) -> None:
        rows = np.random.default_rng([seed, 11]).permutation(len(digits))
        trained, held, asked = np.split(rows, [len(rows) * 6 // 10, len(rows) * 8 // 10])
        self.truth = np.unique(digits.targets, return_inverse=True)[1].astype(np.int64)
        self.features, self.targets = digits.features(), digits.targets
        self.trained, self.held, self.asked = trained, held, asked
        whole = recipe(name).build(0, DataSize.of(self.targets[trained]))
        inputs, labels = self.features[trained], self.targets[trained]
        self.classifier = _calibrated(name, bare(whole).fit(inputs, labels), inputs, labels)

    def probabilities(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        found = self.classifier.predict_proba(self.features[rows])
        return np.asarray(found, dtype=np.float32)

    def covered(self) -> list[tuple[float, float, float, float]]:
        """For each coverage: what was covered, the mean size of a set, and the proportions of sets
        of one label and of none."""
        held = Coverage.of(self.probabilities(self.held), self.truth[self.held])
        asked, truth = self.probabilities(self.asked), self.truth[self.asked]
        found = []
        for coverage in COVERAGES:
            sets = [
                held.labels(row, coverage, chance_of(inputs)) or []
                for row, inputs in zip(asked, self.features[self.asked], strict=True)
            ]
            inside = [label in labels for label, labels in zip(truth.tolist(), sets, strict=True)]
            sizes = np.array([len(labels) for labels in sets])
            found.append(
                (
                    float(np.mean(inside)),
                    float(sizes.mean()),
                    float((sizes == 1).mean()),
                    float((sizes == 0).mean()),
                )
            )
        return found


def coverage(digits: Dataset, names: Sequence[str], splits: int) -> str:
    """The table of coverages, of some recipes."""
    rows = []
    for name in names:
        found = np.array([Split(digits, name, seed).covered() for seed in range(splits)])
        for index, wanted in enumerate(COVERAGES):
            kept, size, single, empty = found[:, index].T
            rows.append(
                [
                    f"{name}, {wanted:g}",
                    f"{kept.mean():.4f}",
                    f"{kept.min():.3f} to {kept.max():.3f}",
                    f"{size.mean():.2f}",
                    f"{single.mean():.1%}",
                    f"{empty.mean():.1%}",
                ]
            )
        click.echo(f"coverage: {rows[-3:]}", err=True)
    head = ("recipe, nominal", "covered", "single splits", "labels in a set", "one label", "none")
    return markdown(head, rows)


def unknown(digits: Dataset, name: str, splits: int) -> str:
    """The table of ways to tell strange images, mean over splits."""
    found: dict[str, dict[str, list[tuple[float, ...]]]] = {}
    for seed in range(splits):
        one = Split(digits, name, seed)
        spec = digits.spec
        usual = one.features[one.asked]
        strange = others(digits.pixels[one.asked], spec, np.random.default_rng(seed))
        images = {"digits": usual} | {of: spec.features(each) for of, each in strange.items()}
        trained = one.features[one.trained]
        for way, distance in ways(trained, one.targets[one.trained], one.classifier, spec).items():
            held, own = distance(one.features[one.held]), distance(usual)
            for of, inputs in images.items():
                far = distance(inputs)
                figures = (auroc(own, far), *(recall(held, far, share) for share in SHARES))
                found.setdefault(of, {}).setdefault(way, []).append(figures)
    names = list(next(iter(found.values())))
    rows = [
        [of, *(_cell(np.mean(found[of][way], axis=0), alone=of == "digits") for way in names)]
        for of in found
    ]
    return markdown(("AUROC, recall at 5 %, at 1 %", *names), rows)


def _cell(figures: NDArray[np.float64], *, alone: bool) -> str:
    first = "–" if alone else f"{figures[0]:.3f}"
    return f"{first}, {figures[1]:.2f}, {figures[2]:.2f}"


@click.command(context_settings={"show_default": True})
@click.option("--splits", default=30, type=click.IntRange(2))
@click.option("--recipe", "recipes", multiple=True, default=tuple(RECIPES))
@click.option("--covering", multiple=True, default=("svc", "logistic", "forest", "knn"))
def main(splits: int, recipes: tuple[str, ...], covering: tuple[str, ...]) -> None:
    """Measure calibration, coverage and what is recognized as unknown."""
    with threadpool_limits(1):
        digits = load_digits(ImageSpec.parse("digits"))
        text = [heading("Honest answers", ["python -m bench.honest", *sys.argv[1:]]), EXPLAINED]
        text += ["## Calibration", calibration(digits, recipes)]
        text += [f"## Coverage, {splits} splits", coverage(digits, covering, splits)]
        count = max(2, splits // 3)
        text += [f"## Unknown images, mean of {count} splits", unknown(digits, "svc", count)]
    joined = "\n\n".join(part.strip() for part in text) + "\n"
    (ROOT / "bench" / "honest.md").write_text(joined)
    click.echo(joined)


if __name__ == "__main__":
    main()
