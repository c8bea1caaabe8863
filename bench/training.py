"""What a training takes: time and memory of each recipe by the number of images, features, classes.

    python -m bench.training [--recipes svc,logistic,forest] [--limit 600] [SIZE ...]

A SIZE is ``images x side x mode x classes``, such as ``5000x64xrgbx50``. Images are scikit-learn's
digits on noise, enlarged; a class is a digit in a colour, so that any number of classes can be had.
Seconds are of CPU, MiB the peak up to the end of a stage. Each training has a process of its own,
which is ended after ``--limit`` of them. The constants of ``train.effort`` are from such a run.
"said" is what ``python -m train --recipe RECIPE`` tells before it begins, minutes and GiB; a
training that is ended, or takes over ten minutes or 2 GiB, without having said so is named at the
end, and the exit code is 1. ``2000x28xgrayx10`` is a short form of the last size.
"""

import json
import math
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click
import numpy as np

from bench.machine import heading
from bench.table import markdown
from train.auto_recipe import Choice
from train.effort import GIB, Effort, Size, effort

SIZES = (
    "1797x8xgrayx10",
    "300x64xrgbx3",
    "1000x64xrgbx5",
    "2000x64xrgbx20",
    "5000x64xrgbx50",
    "9000x32xrgbx300",
    "20000x28xgrayx10",
)
RECIPES = ("svc", "forest", "boosting", "logistic", "mlp", "knn", "linear-svc")
MANY_SECONDS, MANY_MIB = 600.0, 2048.0
HEADER = ("fit s", "save s", "fit MiB", "MiB", "files MiB", "accuracy", "calibration")
NOTHING = ("",) * (len(HEADER) - 1)


def parsed(size: str) -> tuple[int, int, str, int]:
    images, side, mode, classes = size.split("x")
    return int(images), int(side), mode, int(classes)


def measure(size: str, recipe: str) -> None:
    """Train, and print the seconds of each stage, the peak in MiB, and the accuracy, as JSON."""
    from images.spec import ImageSpec
    from train.dataset import Dataset
    from train.fit import train

    count, side, mode, classes = parsed(size)
    spec = ImageSpec.parse(f"{mode}-{side}x{side}")
    pixels, targets = draw(count, side, spec.channels, classes)
    began = time.process_time()
    dataset = Dataset(pixels, targets, "bench", spec)
    result = train(dataset, recipe)
    fitted, fitted_memory = time.process_time(), _peak()
    with tempfile.TemporaryDirectory() as folder:
        manifest = result.candidate.write(Path(folder))
        size_bytes = sum(file.stat().st_size for file in Path(folder).iterdir())
    saved = time.process_time()
    found = {
        "fit": fitted - began,
        "save": saved - fitted,
        "fit memory": fitted_memory,
        "memory": _peak(),
        "files": size_bytes / 2**20,
        "accuracy": result.metrics.accuracy.value,
        "calibration": result.metrics.calibration_error,
        "parity": 0 if manifest.parity is None else manifest.parity.images,
    }
    click.echo(json.dumps(found))


def _peak() -> float:
    """MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def said(size: str, recipe: str) -> Effort:
    """What the recipe takes by its formulas, a fifth of the images held out."""
    count, side, mode, classes = parsed(size)
    features = side * side * (3 if mode == "rgb" else 1)
    return effort(recipe, Size(count - count // 5, features, classes))


def unsaid(told: Effort, seconds: float, mib: float) -> bool:
    """Whether it took long, or much memory, and nobody had been told anything of it."""
    silent = not Choice(told, Size(1, 1, 1), asked=True).notes
    return silent and (seconds > MANY_SECONDS or mib > MANY_MIB)


def draw(
    count: int, side: int, channels: int, classes: int
) -> tuple[
    "np.ndarray[tuple[int, int], np.dtype[np.uint8]]", "np.ndarray[tuple[int], np.dtype[np.int64]]"
]:
    from PIL import Image
    from sklearn.datasets import load_digits

    rng = np.random.default_rng(0)
    digits = load_digits()
    tints = rng.uniform(0.2, 1, (-(-classes // 10), channels))
    targets = np.arange(count) % classes
    pixels = np.empty((count, side * side * channels), np.uint8)
    by_digit = [np.flatnonzero(digits.target == digit) for digit in range(10)]
    for row, target in enumerate(targets.tolist()):
        ink = digits.images[rng.choice(by_digit[target % 10])] / 16 * 255
        enlarged = Image.fromarray(ink.astype(np.uint8)).resize(
            (side, side), Image.Resampling.BICUBIC
        )
        drawn = np.asarray(enlarged)[:, :, None] * tints[target // 10]
        noisy = drawn + rng.normal(40, 20, drawn.shape)
        pixels[row] = np.clip(noisy, 0, 255).astype(np.uint8).reshape(-1)
    return pixels, targets


@click.command()
@click.argument("sizes", nargs=-1, metavar="[SIZE]...")
@click.option("--recipes", default=",".join(RECIPES), show_default=True)
@click.option("--limit", type=float, default=600, show_default=True, help="Seconds for each.")
@click.option("--one", help="For the processes that this starts.")
def main(sizes: tuple[str, ...], recipes: str, limit: float, one: str | None) -> None:
    if one is not None:
        measure(one, recipes)
        return
    rows, silent = [], []
    for size in sizes or SIZES:
        for recipe in recipes.split(","):
            command = [sys.executable, "-m", "bench.training", "--one", size, "--recipes", recipe]
            told, found = said(size, recipe), outcome(command, limit)
            words = f"{told.seconds / 60:.1f} min, {told.memory / GIB:.1f} GiB"
            rows.append((size, recipe, words, *found))
            click.echo(" ".join(rows[-1]), err=True)
            # What was ended would have taken longer.
            seconds = math.inf if found[0].startswith(">") else 0.0
            mib = 0.0
            if found[1]:
                seconds = float(found[0]) + float(found[1])
                mib = float(found[3].replace(",", ""))
            if unsaid(told, seconds, mib):
                silent.append(f"{size} {recipe}")
    header = ("size", "recipe", "said", *HEADER)
    click.echo(heading("What a training takes", ["python", "-m", "bench.training", *sizes]))
    click.echo(markdown(header, rows))
    click.echo(f"Over 10 minutes or 2 GiB without a word before: {', '.join(silent) or 'none'}.")
    sys.exit(1 if silent else 0)


def outcome(command: list[str], limit: float) -> tuple[str, ...]:
    try:
        done = subprocess.run(
            ["/bin/sh", "-c", f'ulimit -t {limit:.0f}; exec "$@"', "sh", *command],
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError as error:
        return (str(error), *NOTHING)
    if done.returncode < 0:
        return (f"> {limit:.0f}", *NOTHING)
    if done.returncode:
        return (done.stderr.strip().splitlines()[-1][:60], *NOTHING)
    found = json.loads(done.stdout)
    return (
        f"{found['fit']:.1f}",
        f"{found['save']:.1f}",
        f"{found['fit memory']:,.0f}",
        f"{found['memory']:,.0f}",
        f"{found['files']:.1f}",
        f"{found['accuracy']:.3f}",
        f"{found['calibration']:.3f}",
    )


if __name__ == "__main__":
    main()
