"""How often the gate is wrong: ``python -m bench.gate``.

Simulated holdouts of ten classes, on which the champion is right on 95 % of the images. An equal
challenger is right on as many, not on the same; a worse one loses points. In bursts, all photos of
a scene are right or wrong together, and the gate is told which they are, or is not.
"""

import sys
from collections import Counter
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray

from bench.machine import heading
from bench.table import markdown
from rollout.gate import outcome_of, verdict_checks
from rollout.measures import Answers, compare
from rollout.verdict import GateRule

CLASSES = 10
ACCURACY = 0.95
DISAGREE = 0.04
"""Images on which exactly one of two equals is right."""
RULE = GateRule()
CASES = ((0.0, "equal", "refused ≤ 5%"), (0.03, "3 points worse", "passed ≤ 1%"))
BURST = 10
SCENES = (30, 200)


def answers(
    truth: NDArray[np.int64], right: NDArray[np.bool_], rng: np.random.Generator
) -> Answers:
    wrong = (truth + rng.integers(1, CLASSES, len(truth))) % CLASSES
    confidence = np.where(right, 0.97, 0.6)
    loss = -np.log(np.where(right, 0.97, 0.04))
    return Answers(np.where(right, truth, wrong), confidence, loss)


def judged(
    images: int, worse: float, rng: np.random.Generator, burst: int = 1, *, told: bool = False
) -> str:
    """What the gate says; ``burst``: photos of each image, ``told``: which these are."""
    truth = rng.integers(CLASSES, size=images)
    # Wins and losses are drawn apart, and the rest is right or wrong for both.
    kind = rng.random(images)
    win = kind < (DISAGREE - worse) / 2
    loss = ~win & (kind < DISAGREE)
    both = rng.random(images) < (ACCURACY - (DISAGREE + worse) / 2) / (1 - DISAGREE)
    old, new = np.where(win, False, loss | both), np.where(loss, False, win | both)
    truth, old, new = (np.repeat(one, burst) for one in (truth, old, new))
    one = compare(
        "holdout",
        list(range(CLASSES)),
        truth,
        np.ones(images * burst),
        answers(truth, old, rng),
        answers(truth, new, rng),
        scenes=np.arange(images).repeat(burst) if told else None,
    )
    return outcome_of(verdict_checks([one], RULE))[0]


def table(runs: int, sizes: tuple[int, ...]) -> str:
    rows = []

    def row(what: str, limit: str, images: int, worse: float, burst: int, *, told: bool) -> None:
        rng = np.random.default_rng(0)
        found = Counter(judged(images, worse, rng, burst, told=told) for _ in range(runs))
        parts = (found[one] / runs for one in ("passed", "refused", "too few images"))
        rows.append([what, *(f"{part:.1%}" for part in parts), limit])

    for images in sizes:
        for worse, name, limit in CASES:
            row(f"{name}, {images:,} images", limit, images, worse, 1, told=False)
    for scenes in SCENES:
        for worse, name, limit in CASES:
            what = f"{name}, {scenes} scenes in {BURST} photos"
            row(what, limit, scenes, worse, BURST, told=True)
            row(f"{what}, each for itself", "", scenes, worse, BURST, told=False)
    return markdown(("", "passed", "refused", "too few images", "limit"), rows)


@click.command()
@click.option("--runs", default=250, show_default=True, help="Simulated holdouts a row.")
@click.option("--output", type=click.Path(path_type=Path), default=Path("bench/gate.md"))
def main(runs: int, output: Path) -> None:
    """Judge challengers whose accuracy is stated."""
    about = (
        f"{runs:,} simulated holdouts a row, seed 0; the champion is right on {ACCURACY:.0%}, on "
        f"{DISAGREE:.0%} exactly one of the two. Margin {100 * RULE.margin:g} point, stated rate "
        f"of refused equals {RULE.alpha:.0%}.\n"
    )
    command = ["python", "-m", "bench.gate", *sys.argv[1:]]
    parts = (heading("The gate", command), about, table(runs, (360, 2000)))
    text = "\n".join(parts) + "\n"
    print(text)
    output.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(prog_name="python -m bench.gate")
