"""Harm without labels: how often a loss of accuracy is suspected, and how often for nothing.

    python -m bench.harm [--seeds 5] [--windows 40]

For each recipe and seed a third of the digits is production; a classifier and its half copies are
trained on the rest, as ``python -m train`` does. Each of the 26 shifts of ``bench.shifts`` gives
the true drop, the accuracy on all of production less that after the shift, and windows drawn from
it. A window is harmed if its shift's drop is above 5 points. The same with drawn shapes, RGB 64x64.
"""

import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray

from bench.machine import heading
from bench.process import ROOT
from bench.shifts import SHIFTS, Shift
from bench.table import markdown
from images.spec import ImageSpec
from models.offline.halves import convert_halves
from models.runtime import OnnxRuntime
from monitor.accuracy.harm import HarmSettings, dissent, estimate
from monitor.proportions import Share
from tests.drawing import draw_folder
from train.dataset import Dataset, split
from train.digits import load_digits
from train.fit import train
from train.folder import load_folder

RECIPES = ("svc", "logistic", "forest", "mlp")
WINDOWS = (100, 200, 500, 1000)
SHOWN = 500
SHAPES_OF_EACH = 300
FIRST_SEED = 1000
CALM = 0.02

EXPLAINED = """
How to read it: *drop* is the accuracy on production less that after the shift, in points; harm is
a drop of more than 5. *flagged* is the share of windows whose harm is suspected, without a label;
after each shift windows of 500. The last table has all shifts at each size of window: how many of
those with harm are flagged, and how many of the others are so falsely. The target is 0.65 and 0.01.
"""

FAILS = """## Known to fail

Drawn shapes: the halves answer a changed image much as the whole does. An SVC on inverted digits is
flagged, but a logistic regression and a neural network give nearly all of them one label, as their
halves do. One inverted image in ten costs less agreement than the rule asks to be sure of. All
these are for drift to find, and after it for labels.
"""


@dataclass(frozen=True)
class Trial:
    """``windows`` windows of one shift: how many of them were flagged."""

    recipe: str
    shift: str
    size: int
    drop: float
    excess: float
    flagged: int
    windows: int


def trials(
    data: Dataset, recipe: str, seed: int, windows: int, rule: HarmSettings
) -> Iterator[Trial]:
    """All shifts at all sizes of window."""
    parts = split(data, 1 / 3, seed)
    production, spec = parts.holdout, data.spec
    candidate = train(parts.train, recipe, seed=seed, holdout=0.25).candidate
    if candidate.halves is None or candidate.reference is None:
        raise RuntimeError(candidate.without_halves)
    known = candidate.reference
    halves = convert_halves(candidate.halves, candidate.estimator, spec, known.pixels)
    before = Share.of(dissent(known.probabilities, *halves.probabilities))
    runtimes = [OnnxRuntime(graph) for graph in halves.graphs]

    def ask(pixels: NDArray[np.uint8]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """bool [n] each: who is right, and about whom the three disagree."""
        features = spec.features(pixels)
        own = candidate.estimator.predict_proba(features)
        others = [runtime.run(features).scores for runtime in runtimes]
        return own.argmax(axis=1) == production.indices, dissent(own, *others)

    accuracy = float(ask(production.pixels)[0].mean())
    rng = np.random.default_rng(seed)
    for shift in SHIFTS:
        right, doubted = ask(shift.apply(production.pixels, spec, rng))
        drop = accuracy - _accuracy(right, shift, production, rng)
        for size in WINDOWS:
            found = [
                estimate(Share.of(doubted[shift.rows(production.indices, size, rng)]), before, rule)
                for _ in range(windows)
            ]
            flagged = sum(one.harmed for one in found)
            excess = float(np.mean([one.excess for one in found]))
            yield Trial(recipe, shift.name, size, drop, excess, flagged, windows)


def _accuracy(
    right: NDArray[np.bool_], shift: Shift, production: Dataset, rng: np.random.Generator
) -> float:
    """After the shift; where it is one of the classes, on average over which classes they are."""
    if shift.prior is None:
        return float(right.mean())
    draws = (right[shift.rows(production.indices, 1000, rng)].mean() for _ in range(50))
    return float(np.mean(list(draws)))


def shift_table(found: Sequence[Trial], recipes: Sequence[str], size: int) -> str:
    """For each shift and recipe: true drop, mean estimate, and share of windows flagged."""
    rows = []
    for shift in SHIFTS:
        cells = [shift.name]
        for recipe in recipes:
            some = [
                one
                for one in found
                if (one.recipe, one.shift, one.size) == (recipe, shift.name, size)
            ]
            drop = 100 * np.mean([one.drop for one in some])
            excess = 100 * np.mean([one.excess for one in some])
            cells.append(f"{drop:5.1f} {excess:5.1f} {_share(some):>5}")
        rows.append(cells)
    heads = [f"{recipe}: drop, excess, flagged" for recipe in recipes]
    return markdown((f"windows of {size}", *heads), rows)


def total_table(found: Sequence[Trial], recipes: Sequence[str], drop: float) -> str:
    """Share of windows flagged, by what is true of them."""
    rows = []
    for recipe in (*recipes, "all"):
        for size in WINDOWS:
            some = [one for one in found if recipe in (one.recipe, "all") and one.size == size]
            harmed = [one for one in some if one.drop > drop]
            rows.append(
                [
                    f"{recipe}, {size}",
                    _share(harmed),
                    _share([one for one in some if one.drop > 2 * drop]),
                    _share([one for one in some if one.drop <= drop]),
                    _share([one for one in some if one.drop <= CALM]),
                    f"{100 * np.mean([abs(one.excess - one.drop) for one in some]):.1f}",
                    f"{100 * np.mean([abs(one.drop) for one in some]):.1f}",
                ]
            )
    points = 100 * drop
    head = (
        "windows of",
        f"flagged, drop > {points:g}",
        f"drop > {2 * points:g}",
        f"falsely, drop <= {points:g}",
        f"drop <= {100 * CALM:g}",
        "error of the excess, points",
        "of assuming no change",
    )
    return markdown(head, rows)


def _share(some: Sequence[Trial]) -> str:
    if not some:
        return "–"
    return f"{sum(one.flagged for one in some) / sum(one.windows for one in some):.3f}"


def tables(data: Dataset, seeds: int, windows: int) -> str:
    """Of all recipes: flags by shift, and by size of window."""
    rule = HarmSettings()
    found = [
        trial
        for recipe in RECIPES
        for seed in range(FIRST_SEED, FIRST_SEED + seeds)
        for trial in trials(data, recipe, seed, windows, rule)
    ]
    return f"{shift_table(found, RECIPES, SHOWN)}\n\n{total_table(found, RECIPES, rule.drop)}"


@click.command()
@click.option("--seeds", default=5, show_default=True, type=click.IntRange(1))
@click.option("--windows", default=40, show_default=True, type=click.IntRange(1))
@click.option("--output", default=ROOT / "bench" / "harm.md", type=click.Path(path_type=Path))
def main(seeds: int, windows: int, output: Path) -> None:
    """Take all measurements; they need a quarter of an hour."""
    text = [heading("Harm without labels", ["python -m bench.harm", *sys.argv[1:]]), EXPLAINED]
    text += ["## digits", "", tables(load_digits(ImageSpec.parse("digits")), seeds, windows), ""]
    with tempfile.TemporaryDirectory() as folder:
        path = draw_folder(Path(folder) / "shapes", SHAPES_OF_EACH)
        data = load_folder(path, ImageSpec.parse("rgb-64x64"))
        text += ["## shapes, RGB 64x64", "", tables(data, seeds, windows), "", FAILS]
    output.write_text("\n".join(text).rstrip() + "\n", encoding="utf-8")
    click.echo(f"{output} is written.")


if __name__ == "__main__":
    main()
