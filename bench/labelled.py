"""Accuracy from the labels of the images that the monitor names: bias and coverage.

    python -m bench.labelled [--seeds 1] [--windows 200] [--recipe svc]

For each recipe and seed a third of the digits is production, as in ``bench.harm``. From each shift
windows are drawn, the images that ``label_first`` names get their true labels, and the accuracy is
estimated as ``measure_accuracy`` does it. Prints, for each recipe, shift and size: the true
accuracy, the bias in points, and how often the 95% interval has the truth. The target is a coverage
of 0.93 in each row, but for the error of the simulation.
"""

import click
import numpy as np

from bench.shifts import BY_NAME
from bench.table import markdown
from images.spec import ImageSpec
from models.offline.halves import convert_halves
from models.runtime import OnnxRuntime
from monitor.accuracy.harm import disagreement, label_first
from monitor.proportions import Stratified
from train.dataset import split
from train.digits import load_digits
from train.fit import train

RECIPES = ("svc", "logistic", "forest")
CHOSEN = (
    "contrast x 0.7",
    "blur",
    "half the resolution",
    "rotated by 10 degrees",
    "rotated by 30 degrees",
    "moved right by 1/8",
    "noise, sigma 4/16",
    "inverted",
    "10% inverted",
    "10% rotated by 30 degrees",
)
SIZES = (100, 300, 1000)
TARGET = 0.93


def rows(recipe: str, seed: int, windows: int) -> list[list[str]]:
    """One for each shift and size."""
    spec = ImageSpec.parse("digits")
    parts = split(load_digits(spec), 1 / 3, seed)
    production = parts.holdout
    candidate = train(parts.train, recipe, seed=seed, holdout=0.25).candidate
    if candidate.halves is None or candidate.reference is None:
        raise RuntimeError(candidate.without_halves)
    halves = convert_halves(candidate.halves, candidate.estimator, spec, candidate.reference.pixels)
    runtimes = [OnnxRuntime(graph) for graph in halves.graphs]
    rng = np.random.default_rng(seed)
    found = []
    for name in ("nothing", *CHOSEN):
        pixels = production.pixels[:]
        if name != "nothing":
            pixels = BY_NAME[name].apply(pixels, spec, rng)
        features = spec.features(pixels)
        outputs = candidate.estimator.predict_proba(features).astype(np.float32)
        others = [runtime.run(features).scores for runtime in runtimes]
        right = outputs.argmax(axis=1) == production.indices
        mask = disagreement(outputs, *others)
        for size in SIZES:
            errors, covered = [], 0
            for _ in range(windows):
                window = rng.integers(len(right), size=size)
                named = window[list(label_first(outputs[window], mask[window]))]
                hard, share = mask[named], float(mask[window].mean())
                ones = np.ones(len(named))
                estimate = Stratified.over(
                    right[named], [(hard, share, ones), (~hard, 1 - share, ones)], size
                )
                interval = estimate.interval()
                errors.append(estimate.value - right.mean())
                covered += interval.low <= right.mean() <= interval.high
            coverage = covered / windows
            error = np.sqrt(TARGET * (1 - TARGET) / windows)
            found.append(
                [
                    f"{recipe}, {name}, {size}",
                    f"{right.mean():.3f}",
                    f"{100 * np.mean(errors):+.1f}",
                    f"{coverage:.3f}",
                    "" if coverage >= TARGET - 2 * error else "below",
                ]
            )
    return found


@click.command(context_settings={"show_default": True})
@click.option("--seeds", default=1, type=click.IntRange(1))
@click.option("--windows", default=200, type=click.IntRange(1))
@click.option("--recipe", "recipes", multiple=True, default=RECIPES)
def main(seeds: int, windows: int, recipes: tuple[str, ...]) -> None:
    """Measure it."""
    heads = ("recipe, shift, images", "accuracy", "bias, points", "coverage", "")
    for seed in range(1000, 1000 + seeds):
        for recipe in recipes:
            click.echo(markdown(heads, rows(recipe, seed, windows)))


if __name__ == "__main__":
    main(prog_name="python -m bench.labelled")
