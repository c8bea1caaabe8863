"""Harm without labels: how often a drop in accuracy is suspected, rightly and falsely.

    python -m bench.harm [--seeds 5] [--windows 40]

For each recipe and seed a third of the digits is production; a classifier and its half-data copies
are trained on the rest, as ``python -m train`` does, with the reference that it keeps. Each of the
26 shifts of ``bench.shifts``, and each of the parts of ``bench.shipped``, gives the true drop, the
accuracy on all of production minus that after the shift, and windows drawn from it. A window is
harmed if its shift's drop is above 5 points. The same with drawn shapes, RGB 64x64, without the
parts.
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
from bench.shifts import SHIFTS, Change, Shift
from bench.shipped import ODD, PARTS, whole
from bench.table import markdown
from images.spec import ImageSpec
from models.offline.halves import convert_halves
from models.runtime import OnnxRuntime
from monitor.accuracy.harm import HarmSettings, disagreement, estimate
from monitor.proportions import Proportion
from tests.drawing import draw_folder
from train.dataset import Dataset, split
from train.digits import load_digits
from train.fit import train
from train.folder import load_folder

RECIPES = ("svc", "logistic", "forest", "mlp")
WINDOWS = (50, 100, 200, 300, 500)
SHOWN = 500
SHAPES_OF_EACH = 300
FIRST_SEED = 1000
CALM = 0.02

EXPLAINED = """
How to read it: *drop* is the accuracy on production minus that after the shift, in points; harm is
a drop of more than 5. *flagged* is the proportion of windows whose harm is suspected, without
labels; after each shift windows of 500. The last table has all shifts at each size of window: how
many of those with harm are flagged, and how many of the others are, falsely. The target is 0.65 and
0.01.
"""

FAILS = """## Known to fail

Drawn shapes: the halves answer a changed image much as the whole does. An SVC on inverted digits is
flagged, but a logistic regression and a neural network give nearly all of them one label, and so do
their halves. One changed image in ten costs less agreement than the rule needs to be certain. All
these are for the drift views to find, and then for labels; `bench/shipped.md` has the same parts.
"""


def _of_part(name: str, part: float) -> Change:
    def changed(
        pixels: NDArray[np.uint8], spec: ImageSpec, rng: np.random.Generator
    ) -> NDArray[np.uint8]:
        odd = rng.permutation(len(pixels))[: round(part * len(pixels))]
        result = pixels.copy()
        result[odd] = whole(name, pixels[odd], spec)
        return result

    return changed


PARTIAL = tuple(
    Shift(f"{part:.0%} {name}", "part", _of_part(name, part)) for name in ODD for part in PARTS
)


@dataclass(frozen=True)
class Trial:
    """``windows`` windows of one shift, of which ``flagged`` were."""

    recipe: str
    shift: str
    size: int
    drop: float
    excess: float
    flagged: int
    windows: int


def trials(
    data: Dataset,
    recipe: str,
    seed: int,
    windows: int,
    rule: HarmSettings,
    shifts: Sequence[Shift],
) -> Iterator[Trial]:
    """All shifts at all window sizes."""
    parts = split(data, 1 / 3, seed)
    production, spec = parts.holdout, data.spec
    candidate = train(parts.train, recipe, seed=seed, holdout=0.25).candidate
    if candidate.halves is None or candidate.reference is None:
        raise RuntimeError(candidate.without_halves)
    reference = candidate.reference
    halves = convert_halves(candidate.halves, candidate.estimator, spec, reference.pixels)
    before = Proportion.of(disagreement(reference.probabilities, *halves.probabilities))
    runtimes = [OnnxRuntime(graph) for graph in halves.graphs]

    def answers(pixels: NDArray[np.uint8]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """bool [n] each: where the classifier is right, and where the three disagree."""
        features = spec.features(pixels)
        own = candidate.estimator.predict_proba(features)
        others = [runtime.run(features).scores for runtime in runtimes]
        return own.argmax(axis=1) == production.indices, disagreement(own, *others)

    accuracy = float(answers(production.pixels[:])[0].mean())
    rng = np.random.default_rng(seed)
    for shift in shifts:
        right, disagreeing = answers(shift.apply(production.pixels[:], spec, rng))
        drop = accuracy - _accuracy(right, shift, production, rng)
        for size in WINDOWS:
            found = [
                estimate(Proportion.of(disagreeing[rows]), before, rule)
                for rows in (shift.rows(production.indices, size, rng) for _ in range(windows))
            ]
            flagged = sum(result.harmed for result in found)
            excess = float(np.mean([result.excess for result in found]))
            yield Trial(recipe, shift.name, size, drop, excess, flagged, windows)


def _accuracy(
    right: NDArray[np.bool_], shift: Shift, production: Dataset, rng: np.random.Generator
) -> float:
    """After the shift; if it is one of the classes, the mean over random choices of them."""
    if shift.prior is None:
        return float(right.mean())
    draws = (right[shift.rows(production.indices, 1000, rng)].mean() for _ in range(50))
    return float(np.mean(list(draws)))


def shift_table(
    found: Sequence[Trial], recipes: Sequence[str], size: int, shifts: Sequence[Shift]
) -> str:
    """For each shift and recipe: true drop, mean estimate, and proportion of windows flagged."""
    rows = []
    for shift in shifts:
        cells = [shift.name]
        for recipe in recipes:
            some = [
                trial
                for trial in found
                if (trial.recipe, trial.shift, trial.size) == (recipe, shift.name, size)
            ]
            drop = 100 * np.mean([trial.drop for trial in some])
            excess = 100 * np.mean([trial.excess for trial in some])
            cells.append(f"{drop:5.1f} {excess:5.1f} {_proportion(some):>5}")
        rows.append(cells)
    heads = [f"{recipe}: drop, excess, flagged" for recipe in recipes]
    return markdown((f"windows of {size}", *heads), rows)


def total_table(found: Sequence[Trial], recipes: Sequence[str], drop: float) -> str:
    """Proportion of windows flagged, by their true drop."""
    rows = []
    for recipe in (*recipes, "all"):
        for size in WINDOWS:
            some = [
                trial for trial in found if recipe in (trial.recipe, "all") and trial.size == size
            ]
            harmed = [trial for trial in some if trial.drop > drop]
            rows.append(
                [
                    f"{recipe}, {size}",
                    _proportion(harmed),
                    _proportion([trial for trial in some if trial.drop > 2 * drop]),
                    _proportion([trial for trial in some if trial.drop <= drop]),
                    _proportion([trial for trial in some if trial.drop <= CALM]),
                    f"{100 * np.mean([abs(trial.excess - trial.drop) for trial in some]):.1f}",
                    f"{100 * np.mean([abs(trial.drop) for trial in some]):.1f}",
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


def _proportion(some: Sequence[Trial]) -> str:
    if not some:
        return "–"
    return f"{sum(trial.flagged for trial in some) / sum(trial.windows for trial in some):.3f}"


def tables(data: Dataset, seeds: int, windows: int, shifts: Sequence[Shift]) -> str:
    """For all recipes: windows flagged by shift, and by window size."""
    rule = HarmSettings()
    found = [
        trial
        for recipe in RECIPES
        for seed in range(FIRST_SEED, FIRST_SEED + seeds)
        for trial in trials(data, recipe, seed, windows, rule, shifts)
    ]
    return (
        f"{shift_table(found, RECIPES, SHOWN, shifts)}\n\n{total_table(found, RECIPES, rule.drop)}"
    )


@click.command()
@click.option("--seeds", default=5, show_default=True, type=click.IntRange(1))
@click.option("--windows", default=40, show_default=True, type=click.IntRange(1))
@click.option("--output", default=ROOT / "bench" / "harm.md", type=click.Path(path_type=Path))
def main(seeds: int, windows: int, output: Path) -> None:
    """Take all measurements, which need a quarter of an hour."""
    text = [heading("Harm without labels", ["python -m bench.harm", *sys.argv[1:]]), EXPLAINED]
    digits = load_digits(ImageSpec.parse("digits"))
    text += ["## digits", "", tables(digits, seeds, windows, (*SHIFTS, *PARTIAL)), ""]
    with tempfile.TemporaryDirectory() as folder:
        path = draw_folder(Path(folder) / "shapes", SHAPES_OF_EACH)
        data = load_folder(path, ImageSpec.parse("rgb-64x64"))
        text += ["## shapes, RGB 64x64", "", tables(data, seeds, windows, SHIFTS), "", FAILS]
    output.write_text("\n".join(text).rstrip() + "\n", encoding="utf-8")
    click.echo(f"Wrote {output}.")


if __name__ == "__main__":
    main()
