"""When a retraining is set off in calm traffic, and wrong labels: ``python -m bench.retraining``.

Writes ``bench/retraining.md``.
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from bench.machine import heading
from bench.process import ROOT
from bench.table import markdown
from images.spec import ImageSpec
from monitor.proportions import Proportion
from pipeline.pool import Pool
from pipeline.production import Sample
from pipeline.triggers import WINDOW, TriggerRules, accuracy
from tests.monitor.production import NOON
from train.data_size import DataSize
from train.dataset import Dataset, split
from train.digits import load_digits
from train.recipes import recipe

ACCURACIES = (0.99, 0.98, 0.95, 0.90, 0.80)
DROPS = (0.05, 0.08, 0.10, 0.15)
REFERENCE = 360
PER_WEEK = 100
HOURS = 365 * 24
RECIPES = ("svc", "forest", "logistic", "knn", "mlp")
WRONG = 0.03
FITS = 4

EXPLAINED = f"""
## Calm traffic

Simulated years, hour by hour: a model of constant accuracy, its reference of {REFERENCE} images
drawn anew for each year, {PER_WEEK} labels a week of images drawn at random. Each hour the trigger
itself judges those of the last {WINDOW.days} days, or since the last retraining. The target is at
most one retraining a year.
"""

POWER = f"""
## Drops

How often one look at the trigger sees a drop, with a reference of {REFERENCE} images at an accuracy
of 0.98. A drop of 5 points is the threshold itself.
"""

LABELS = f"""
## Wrong labels

{WRONG:.0%} of the labels of digits to train on are changed to another class. *found*: of these, the
proportion that is left out; *precision*: of those left out, the proportion that was changed; the
rest are digits that are hard to tell. *clean*: accuracy on digits of which no label was changed, in
%, after a training on the right labels; then what it loses, in points, by the changed labels,
without those left out, and, as somebody would who knows them, without exactly the changed ones.
Each training is the mean of {FITS} with seeds of their own. Means over the seeds, and in brackets
the worst. The targets are 0.8, 0.5, and a loss of at most 0.5.
"""

FAILS = """
## Known to fail

A reference of 360 images may be lucky by several points, and stays so all year: at an accuracy of
0.90, one year in twelve has more than one retraining as long as none of their candidates is
promoted, which would bring a reference of its own. A larger holdout helps. A neural network loses
nearly as much without exactly the changed labels as with them.
"""


@dataclass(frozen=True)
class Errors:
    """What became of the labels that were changed, with one recipe and seed."""

    found: float
    precision: float
    clean: float
    dirty: float
    cleaned: float
    known: float


def year(accurate: float, rng: np.random.Generator, rules: TriggerRules) -> int:
    """How many retrainings one year sets off."""
    before = Proportion(rng.binomial(REFERENCE, accurate) / REFERENCE, REFERENCE)
    labels = rng.poisson(PER_WEEK / (7 * 24), HOURS)
    total = np.concatenate([[0], labels.cumsum()])
    right = np.concatenate([[0], rng.binomial(labels, accurate).cumsum()])
    window, interval = WINDOW // timedelta(hours=1), rules.interval // timedelta(hours=1)
    begun: list[int] = []
    for hour in range(1, HOURS + 1):
        start = max(0, hour - window, begun[-1] if begun else 0)
        size = int(total[hour] - total[start])
        if begun and hour < begun[-1] + interval:
            continue
        # What it says no to in any case is not asked: 50 µs each, a million times.
        value = float(right[hour] - right[start]) / max(size, 1)
        if size < rules.random_labels or before.value - value <= rules.drop:
            continue
        if accuracy(before, Proportion(value, size), rules).due:
            begun.append(hour)
    return len(begun)


def calm_table(years: int, rules: TriggerRules) -> str:
    rows = []
    for accurate in ACCURACIES:
        rng = np.random.default_rng(round(1000 * accurate))
        counts = np.array([year(accurate, rng, rules) for _ in range(years)])
        rows.append(
            [
                f"accuracy {accurate:.2f}",
                f"{years:,}",
                f"{counts.mean():.3f}",
                f"{counts.max()}",
                f"{(counts <= 1).mean():.3f}",
            ]
        )
    return markdown(("", "years", "retrainings a year", "most", "at most one"), rows)


def power_table(looks: int, rules: TriggerRules) -> str:
    rows = []
    for drop in (0.0, *DROPS):
        cells = [f"{100 * drop:g} points"]
        for size in (200, 400):
            rng = np.random.default_rng(size)
            due = 0
            for _ in range(looks):
                before = Proportion(rng.binomial(REFERENCE, 0.98) / REFERENCE, REFERENCE)
                now = Proportion(rng.binomial(size, 0.98 - drop) / size, size)
                due += accuracy(before, now, rules).due
            cells.append(f"{due / looks:.3f}")
        rows.append(cells)
    return markdown(("a drop of", "200 labels", "400 labels"), rows)


def errors(data: Dataset, name: str, seeds: int) -> Iterator[Errors]:
    for seed in range(seeds):
        parts = split(data, 0.3, seed)
        train, test = parts.train, parts.holdout
        rng = np.random.default_rng(seed)
        given = train.targets.astype(np.int64)
        changed = rng.permutation(len(given))[: round(WRONG * len(given))]
        given[changed] = (given[changed] + rng.integers(1, 10, len(changed))) % 10
        pool = Pool(
            [
                Sample(str(row), pixels, int(label), NOON)
                for row, (pixels, label) in enumerate(zip(train.pixels, given, strict=True))
            ]
        )
        pool.without_suspects(name, {}, data.spec, seed)
        suspected = {int(one.image) for one in pool.left_out}
        found = suspected & set(changed.tolist())
        rest = np.array([int(one.name) for one in pool.samples])
        everything = np.arange(len(given))
        right = train.targets.astype(np.int64)
        yield Errors(
            len(found) / len(changed),
            len(found) / max(1, len(suspected)),
            _accuracy(name, train, right, everything, test, seed),
            _accuracy(name, train, given, everything, test, seed),
            _accuracy(name, train, given, rest, test, seed),
            _accuracy(name, train, given, np.setdiff1d(everything, changed), test, seed),
        )


def _accuracy(
    name: str,
    train: Dataset,
    given: NDArray[np.int64],
    rows: NDArray[np.int64],
    test: Dataset,
    seed: int,
) -> float:
    found = []
    with threadpool_limits(1, user_api="blas"):
        for fit in range(FITS):
            estimator = recipe(name).build(seed + 1000 * fit, DataSize.of(given[rows]))
            estimator.fit(train.features()[rows], given[rows])
            found.append(float((estimator.predict(test.features()) == test.targets).mean()))
    return float(np.mean(found))


def error_table(data: Dataset, seeds: int) -> str:
    rows = []
    for name in RECIPES:
        found = list(errors(data, name, seeds))
        rows.append(
            [
                name,
                _low([one.found for one in found]),
                _low([one.precision for one in found]),
                f"{100 * np.mean([one.clean for one in found]):.2f}",
                _high([100 * (one.clean - one.dirty) for one in found]),
                _high([100 * (one.clean - one.cleaned) for one in found]),
                _high([100 * (one.clean - one.known) for one in found]),
            ]
        )
    lost = ("lost, changed", "lost, without those left out", "lost, without the changed")
    head = ("recipe", "found", "precision", "clean", *lost)
    return markdown(head, rows)


def _low(values: Sequence[float]) -> str:
    return f"{np.mean(values):.3f} ({min(values):.3f})"


def _high(values: Sequence[float]) -> str:
    return f"{np.mean(values):.2f} ({max(values):.2f})"


@click.command()
@click.option("--years", default=200, show_default=True, type=click.IntRange(1))
@click.option("--looks", default=20_000, show_default=True, type=click.IntRange(1))
@click.option("--seeds", default=10, show_default=True, type=click.IntRange(1))
@click.option("--output", default=ROOT / "bench" / "retraining.md", type=click.Path(path_type=Path))
def main(years: int, looks: int, seeds: int, output: Path) -> None:
    """Take all measurements, which need some minutes."""
    rules = TriggerRules()
    data = load_digits(ImageSpec.parse("digits"))
    text = [
        heading("Retraining", ["python -m bench.retraining", *sys.argv[1:]]),
        *(EXPLAINED, calm_table(years, rules)),
        *(POWER, power_table(looks, rules)),
        *(LABELS, error_table(data, seeds), FAILS),
    ]
    output.write_text("\n".join(text).rstrip() + "\n", encoding="utf-8")
    click.echo(f"Wrote {output}.")


if __name__ == "__main__":
    main()
