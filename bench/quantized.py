"""The default extractor in int8 beside float: speed, size and accuracy.

    python -m bench.quantized FOLDER [--seeds 5] [--holdout 0.3]

FOLDER has a folder of images for each class. For each seed the images are split anew, ranges are
taken from the training set, and a logistic regression is trained on both embeddings. Time is that
of a thread, pass by pass in turns. Nothing is saved in your store.
"""

import statistics
import sys
import tempfile
import time
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray

from bench.machine import heading
from bench.process import ROOT
from bench.table import markdown
from models.extractor import EXTRACTOR_GRAPH, Extractor
from models.offline.bringing_extractor import chosen
from models.offline.lite0 import NAME
from models.store import Store
from train.dataset import Dataset, split
from train.embedding import embedded
from train.fit import TrainingResult, train_parts
from train.folder import load_folder
from train.quantizing import in_int8

_TIMED = 30


def accuracy(result: TrainingResult) -> tuple[float, float]:
    """Of all images, and the mean of the classes'."""
    recalls = [one.recall for one in result.metrics.classes]
    return result.metrics.accuracy.value, statistics.mean(recalls)


def fitted(dataset: Dataset, extractor: Extractor, holdout: float, seed: int) -> TrainingResult:
    parts = split(dataset, holdout, seed)
    return train_parts(parts, dataset, "logistic-features", "clf", seed=seed, extractor=extractor)


def milliseconds(
    extractors: tuple[Extractor, Extractor], pixels: NDArray[np.uint8]
) -> list[list[float]]:
    """Of a pass with one image by each, in turns."""
    embedders = [one.open() for one in extractors]
    found: list[list[float]] = [[], []]
    for number in range(_TIMED):
        row = pixels[number % len(pixels)][None]
        for place, embedder in enumerate(embedders):
            features = embedder.manifest.image_spec.features(row)
            started = time.thread_time()
            embedder.run(features)
            found[place].append((time.thread_time() - started) * 1e3)
    return found


@click.command(context_settings={"show_default": True, "max_content_width": 100})
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--seeds", default=5, type=click.IntRange(1))
@click.option("--holdout", default=0.3, type=click.FloatRange(0.05, 0.95))
@click.option("--output", default=ROOT / "bench" / "quantized.md", type=click.Path(path_type=Path))
def main(folder: Path, seeds: int, holdout: float, output: Path) -> None:
    """Compare the extractor in int8 with that in float."""
    results: list[tuple[tuple[float, float], tuple[float, float]]] = []
    with tempfile.TemporaryDirectory(prefix="pupila-bench-") as home:
        store = Store(Path(home) / "models")
        whole = chosen(store, NAME).extractor
        dataset = embedded(load_folder(folder, whole.manifest.image_spec), whole)
        for seed in range(seeds):
            small = in_int8(store, whole, split(dataset, holdout, seed).train.pixels)
            pairs = [(dataset, whole), (embedded(dataset, small), small)]
            first, second = (accuracy(fitted(*pair, holdout, seed)) for pair in pairs)
            results.append((first, second))
            click.echo(f"seed {seed}: float {first[0]:.3f}, int8 {second[0]:.3f}", err=True)
        times = milliseconds((whole, small), dataset.pixels[:])
        sizes = [len(one.read(EXTRACTOR_GRAPH)) / 1e6 for one in (whole, small)]
    rows = []
    for place, name in enumerate(("float", "int8")):
        plain = [pair[place][0] for pair in results]
        balanced = [pair[place][1] for pair in results]
        rows.append(
            [
                name,
                f"{sizes[place]:.1f}",
                f"{statistics.median(times[place]):.1f}",
                f"{statistics.mean(plain):.3f} ({min(plain):.3f} to {max(plain):.3f})",
                f"{statistics.mean(balanced):.3f}",
            ]
        )
    ratio = statistics.median(a / b for a, b in zip(*times, strict=True))
    head = ("", "MB", "ms of one thread an image", "accuracy (from, to)", "balanced")
    text = (
        heading("int8 beside float", ["python -m bench.quantized", *sys.argv[1:]])
        + f"\n{len(dataset):,} images in {len(dataset.labels)} classes, {holdout:.0%} held out, "
        f"{seeds} seeds. int8 is {ratio:.2f} times as fast, pass by pass.\n\n"
        + markdown(head, rows)
        + "\n"
    )
    output.write_text(text, encoding="utf-8")
    click.echo(text)


if __name__ == "__main__":
    main(prog_name="python -m bench.quantized")
