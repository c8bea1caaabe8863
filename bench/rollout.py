"""How many labels a rollout needs, and how often it is wrong: ``python -m bench.rollout``.

Simulated from stated rates: of all images, the challenger alone is right on some (wins), the
champion alone on others (losses).
"""

import sys
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

from bench.machine import heading
from bench.table import markdown
from rollout.martingale import log_evidence
from rollout.rule import GuardRule

LOOKS = 3000
RULE = GuardRule()
BUDGET = (
    f"Of alpha, {RULE.alpha}, {RULE.gain} are for a promotion and {RULE.harm} for a rollback by "
    "labels."
)
# Wins and losses, what they stand for, and the limits of the median and of nine in ten.
CASES = (
    (0.03, 0.01, "95 → 97%", 30, 70),
    (0.07, 0.02, "90 → 95%", 25, 60),
    (0.013, 0.003, "97 → 98%", 20, 50),
)


@dataclass(frozen=True)
class Crossings:
    """Of each run, the number of labels after which it was told apart; ``LOOKS`` + 1 for never."""

    gain: NDArray[np.int64]
    harm: NDArray[np.int64]

    @property
    def first(self) -> NDArray[np.int64]:
        return np.minimum(self.gain, self.harm)


def _first(crossed: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The number of the first True of each row, from 1; the number of columns + 1 without."""
    found = np.where(crossed.any(axis=1), crossed.argmax(axis=1) + 1, crossed.shape[1] + 1)
    return np.asarray(found, np.int64)


def guarded(wins: NDArray[np.bool_]) -> Crossings:
    """The guard, looking after each of N disagreements: bool [runs, N]."""
    seen = np.arange(1, wins.shape[1] + 1)
    won = wins.cumsum(axis=1, dtype=np.int32)
    # The smallest number of wins, of so many, that is evident: monotone, so that it suffices.
    least = {alpha: _least(seen, alpha) for alpha in (RULE.gain, RULE.harm)}
    return Crossings(
        gain=_first(won >= least[RULE.gain]), harm=_first(seen - won >= least[RULE.harm])
    )


def _least(seen: NDArray[np.int64], alpha: float) -> NDArray[np.int64]:
    low, high = seen // 2, seen + 1
    while (high - low > 1).any():
        middle = (low + high) // 2
        inside = np.minimum(middle, seen)
        evident = (middle <= seen) & (log_evidence(inside, seen - inside, 0.5) >= -np.log(alpha))
        narrow = high - low > 1
        high = np.where(narrow & (evident | (middle > seen)), middle, high)
        low = np.where(narrow & ~evident & (middle <= seen), middle, low)
    return high


def mcnemar(wins: NDArray[np.bool_]) -> NDArray[np.int64]:
    """McNemar's exact two-sided test at 5 %, repeated after each disagreement."""
    seen = np.arange(1, wins.shape[1] + 1)
    won = wins.cumsum(axis=1, dtype=np.int32)
    return _first(np.minimum(won, seen - won) <= binom.ppf(0.025, seen, 0.5) - 1)


def at_random(win: float, loss: float, runs: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Labels needed if images are labelled at random: gaps between disagreements are geometric."""
    wins = rng.random((runs, 400)) < win / (win + loss)
    gaps = rng.geometric(win + loss, wins.shape).cumsum(axis=1)
    crossed = guarded(wins).gain
    found = np.take_along_axis(gaps, np.minimum(crossed, 400)[:, None] - 1, axis=1)[:, 0]
    return np.where(crossed <= 400, found, np.iinfo(np.int64).max)


def equals(runs: int, rng: np.random.Generator) -> str:
    wins = rng.random((runs, LOOKS)) < 0.5
    found = guarded(wins)
    ends = (found.gain, found.harm, found.first)
    rows = [
        ["guard", *(f"{(end <= LOOKS).mean():.1%}" for end in ends), "≤ 5%"],
        ["McNemar, repeated", "", "", f"{(mcnemar(wins) <= LOOKS).mean():.1%}", ""],
    ]
    return markdown(("", "promoted", "rolled back", "either", "limit"), rows)


def better(runs: int, rng: np.random.Generator) -> str:
    rows = []
    for win, loss, name, median, most in CASES:
        needed = guarded(rng.random((runs, 400)) < win / (win + loss)).gain
        random = at_random(win, loss, runs, rng)
        labels = (
            (f"{np.median(needed):.0f}", f"≤ {median}"),
            (f"{np.quantile(needed, 0.9):.0f}", f"≤ {most}"),
            (f"{np.median(random):,.0f}", f"{np.quantile(random, 0.9):,.0f}"),
        )
        rows.append([f"{name}, wins {win:.1%}, losses {loss:.1%}", *chain(*labels)])
    head = ("", "median", "limit", "9 of 10", "limit", "at random: median", "9 of 10")
    return markdown(head, rows)


@click.command()
@click.option("--runs", default=4000, show_default=True, help="Simulated rollouts of each kind.")
@click.option("--output", type=click.Path(path_type=Path), default=Path("bench/rollout.md"))
def main(runs: int, output: Path) -> None:
    """Simulate rollouts whose wins and losses are stated."""
    rng = np.random.default_rng(0)
    parts = (
        heading("Rollouts", ["python", "-m", "bench.rollout", *sys.argv[1:]]),
        f"{runs:,} simulated rollouts a row, seed 0. {BUDGET}\n",
        f"## Equal versions, looked at after each of {LOOKS:,} labelled disagreements\n",
        equals(runs, rng),
        "\n## A better challenger: labels until it is evident\n",
        "Only images on which the two disagree are labelled; beside it, images at random.\n",
        better(runs, rng),
    )
    text = "\n".join(parts) + "\n"
    print(text)
    output.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(prog_name="python -m bench.rollout")
