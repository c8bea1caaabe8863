"""The drift detector as it is shipped: the default model, and a reference of the size it has.

    python -m bench.shipped [--at-random] [--references 20] [--streams 5] [--months 0]

``bench.drift`` gives each window a reference of five times as many images, which few have. Here the
reference has the 360 images that ``python -m train`` holds out of the digits, and the distances of
the 1,437 that it trains on; a window of any size is compared as ``DriftDetector.compare`` does it.
A fifth of each class is held out of 1,797 images that are drawn anew for each reference; with
``--at-random`` 360 are drawn of which nothing else is known, such as those of a folder of its own.
For false alarms half of the digits is the population: few images, drawn again and again, would be
unlike those trained on by chance. Prints one table: for each shift, and for no
shift, the proportion of windows with p < 0.01 of a large enough effect, and of streams of three
windows with an alarm; then the alarms that began in months of hourly windows without a shift.
"""

from functools import partial

import click
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from threadpoolctl import threadpool_limits

from bench.calm import HOURS, Screen, alarms, hourly
from bench.population import Pool, Population, digits
from bench.shifts import BY_NAME, Prior, one_class
from bench.table import markdown
from images.spec import ImageSpec
from train.sides import by_class

HOLDOUT, EVERYTHING = 360, 1797
SIZES = (50, 100, 200, 300, 500)
STREAM = 3
POOL, SHIFTED = 20_000, 3_000
ODD = ("flipped", "inverted", "letters", "rotated by 30 degrees")
PARTS = (0.05, 0.1, 0.2, 0.5)
LETTERS = "ABCDEFGHJKLMNPRSTUVWXYZ"


def flipped(pixels: NDArray[np.uint8], spec: ImageSpec) -> NDArray[np.uint8]:
    """Upside down."""
    grid = pixels.reshape(len(pixels), spec.height, -1)
    return np.ascontiguousarray(grid[:, ::-1]).reshape(pixels.shape)


def letters(count: int, spec: ImageSpec, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Drawn large, and reduced as the digits were."""
    font = ImageFont.load_default(size=30)
    drawn = np.empty((count, spec.n_features), np.uint8)
    for row in range(count):
        image = Image.new("L", (32, 32))
        letter = LETTERS[int(rng.integers(len(LETTERS)))]
        shift = rng.integers(-2, 3, 2)
        place = (16 + int(shift[0]), 16 + int(shift[1]))
        ImageDraw.Draw(image).text(place, letter, fill=255, font=font, anchor="mm", stroke_width=1)
        small = image.resize((spec.width, spec.height), Image.Resampling.BOX)
        drawn[row] = np.asarray(small).reshape(-1)
    return drawn


def whole(name: str, pixels: NDArray[np.uint8], spec: ImageSpec) -> NDArray[np.uint8]:
    """All of the images after a change."""
    rng = np.random.default_rng(0)
    if name == "flipped":
        return flipped(pixels, spec)
    if name == "letters":
        return letters(len(pixels), spec, rng)
    return BY_NAME[name].apply(pixels, spec, rng)


def part(pool: Pool, changed: Pool, size: int, share: float, rng: np.random.Generator) -> Pool:
    """A window of which each image is a changed one with this probability."""
    many = int(rng.binomial(size, share))
    old = rng.integers(len(pool.pixels), size=size - many)
    new = rng.integers(len(changed.pixels), size=many)
    return pool.take(old).joined(changed.take(new))


class Shipped:
    """One reference of the shipped size, and the detector with it."""

    def __init__(self, population: Population, pool: Pool, at_random: bool, seed: int) -> None:
        self.rng = np.random.default_rng([seed, 7])
        drawn_from = None
        if at_random:
            self.rows = self.rng.integers(len(pool.pixels), size=HOLDOUT)
        else:
            data = self.rng.integers(len(pool.pixels), size=EVERYTHING)
            held = by_class(pool.labels[data], HOLDOUT / EVERYTHING, self.rng)
            self.rows = self.rng.permutation(data[held])
            classes = len(population.labels)
            drawn_from = np.bincount(pool.labels[data], minlength=classes)
        self.detector = population.detector(population.reference(pool, self.rows, drawn_from))

    def evidence(self, window: Pool) -> float:
        """As ``compare`` has it."""
        found = self.detector.judge(window.columns)
        return 1.0 if found.evidence is None else found.evidence


def measured(
    shipped: list[Shipped], pool: Pool, changed: Pool | None, size: int, share: float, streams: int
) -> tuple[float, float]:
    """The proportion of windows below the alarm limit, and of streams with an alarm."""
    below, alarmed = [], []
    for one in shipped:
        rule = one.detector.rule
        for _ in range(streams):
            windows = [
                part(pool, changed or pool, size, share if changed else 0.0, one.rng)
                for _ in range(STREAM)
            ]
            history = [one.evidence(window) for window in windows]
            below += [value < rule.alarm for value in history]
            alarmed.append(rule.judge(history).state == "alarm")
    return float(np.mean(below)), float(np.mean(alarmed))


def classes(
    shipped: list[Shipped], pool: Pool, prior: Prior, size: int, streams: int
) -> tuple[float, float]:
    """The same for a shift of the classes, one of which is drawn for each stream."""
    below, alarmed = [], []
    for one in shipped:
        rule = one.detector.rule
        for _ in range(streams):
            state = one.rng.integers(2**31)
            history = []
            for _ in range(STREAM):
                # The same class in all windows of a stream.
                chosen = np.random.default_rng(state)
                weights = prior(int(pool.labels.max()) + 1, chosen)[pool.labels]
                rows = one.rng.choice(len(pool.labels), size=size, p=weights / weights.sum())
                history.append(one.evidence(pool.take(rows)))
            below += [value < rule.alarm for value in history]
            alarmed.append(rule.judge(history).state == "alarm")
    return float(np.mean(below)), float(np.mean(alarmed))


def months(population: Population, pool: Pool, size: int, at_random: bool, count: int) -> list[int]:
    """Alarms that began in each month of hourly windows; each month has its own reference."""
    begun = []
    for month in range(count):
        one = Shipped(population, pool, at_random, 10_000 + month)
        screen = Screen(pool.columns.take(one.rows), size, one.detector)
        evidence = hourly(screen, one.detector, pool, size, one.rng)
        begun.append(alarms(evidence, one.detector.rule))
    return begun


@click.command(context_settings={"show_default": True})
@click.option("--recipe", default="svc", help="The default of ``python -m train``.")
@click.option("--at-random", is_flag=True, help="Nothing is known of the data but the holdout.")
@click.option("--references", default=20, type=click.IntRange(1))
@click.option("--streams", default=5, type=click.IntRange(0), help="Of each reference.")
@click.option("--months", "month_count", default=0, type=click.IntRange(0))
@click.option("--size", "sizes", multiple=True, type=int, default=SIZES)
@click.option("--populations", default=1, type=click.IntRange(1), help="That months are of.")
@click.option(
    "--share",
    default=0.2,
    type=click.FloatRange(0.1, 0.9),
    help="Of the digits that are the population: a fifth leaves as many to train on as shipped, "
    "and a half is more like an endless one, for false alarms.",
)
@click.option("--seed", default=31)
def main(
    recipe: str,
    at_random: bool,
    references: int,
    streams: int,
    month_count: int,
    sizes: tuple[int, ...],
    populations: int,
    share: float,
    seed: int,
) -> None:
    """Measure what is shipped."""
    with threadpool_limits(1):
        population = digits(recipe, seed, share)
        pool = population.pool(POOL, np.random.default_rng([seed, 0]))
        shipped = [Shipped(population, pool, at_random, number) for number in range(references)]
        heads = [f"{size} images" for size in sizes]
        rows = []
        if streams:
            cells = [measured(shipped, pool, None, size, 0.0, 4 * streams) for size in sizes]
            rows.append(["nothing", *(f"{below:.4f} {found:.3f}" for below, found in cells)])
        for name in ODD if streams else ():
            start = pool.pixels[:SHIFTED]
            changed = population.described(
                whole(name, start, population.spec), pool.labels[:SHIFTED]
            )
            for odd in PARTS:
                cells = [measured(shipped, pool, changed, size, odd, streams) for size in sizes]
                rows.append(
                    [f"{odd:.0%} {name}", *(f"{below:.2f} {found:.2f}" for below, found in cells)]
                )
        for factor, text in ((3.0, "one class three times"), (0.0, "one class missing")):
            if streams:
                prior = partial(one_class, factor=factor)
                cells = [classes(shipped, pool, prior, size, streams) for size in sizes]
                rows.append([text, *(f"{below:.2f} {found:.2f}" for below, found in cells)])
        if rows:
            click.echo(markdown((f"{recipe}, p < 0.01 and alarm in three", *heads), rows))
        begun: dict[int, list[int]] = {size: [] for size in sizes}
        for other in range(seed, seed + populations) if month_count else ():
            if other != seed:
                population = digits(recipe, other, share)
                pool = population.pool(POOL, np.random.default_rng([other, 0]))
            for size in sizes:
                begun[size] += months(population, pool, size, at_random, month_count // populations)
        for size, found in begun.items() if month_count else ():
            click.echo(
                f"{size} images: {sum(found)} alarms in {len(found) * HOURS:,} "
                f"calm windows; months with more than one: {sum(one > 1 for one in found)}"
            )


if __name__ == "__main__":
    main(prog_name="python -m bench.shipped")
