"""What the default extractor costs a worker: memory, and time until it is ready.

    python -m bench.photo_startup [--rounds 3]

The same server with a version of digits, with one on the extractor, and with one on it in int8, in
turns; memory at rest after one request, and after many by eight clients. Needs
``scripts/install photos``; reads /proc, so Linux only.
"""

import statistics
import sys
import tempfile
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import click
import numpy as np

from bench.machine import heading
from bench.material import photos
from bench.process import ROOT
from bench.startup import measure
from bench.table import markdown
from images.decoding import examine
from images.spec import ImageSpec
from models.extractor import EXTRACTOR_GRAPH, Extractor
from models.offline.bringing_extractor import bring_default
from models.store import Store
from train.dataset import Dataset, split
from train.digits import load_digits
from train.embedding import embedded
from train.fit import train, train_parts
from train.quantizing import in_int8

TRAINED = 60
ASKED = 96
CLIENTS = 8
NAMES = ("digits, no extractor", "efficientnet-lite0", "the same in int8")


def stores(folder: Path) -> tuple[dict[str, Path], list[float]]:
    """The home of each, with one version, and the megabytes of the extractors' graphs."""
    homes = {name: folder / str(number) for number, name in enumerate(NAMES)}
    first, second, third = (Store(home / "models") for home in homes.values())
    first.save(train(load_digits(ImageSpec.parse("digits")), "logistic").candidate)
    drawn = photos(1, TRAINED)
    whole = bring_default(second).extractor
    spec = whole.manifest.image_spec
    pixels = np.stack([examine(image, 10**9).pixels(spec) for _, image in drawn])
    dataset = Dataset(pixels, np.array([label for label, _ in drawn]), "drawings", spec)
    small = in_int8(third, bring_default(third).extractor, pixels)
    for store, extractor in ((second, whole), (third, small)):
        _save(store, dataset, extractor)
    return homes, [len(one.read(EXTRACTOR_GRAPH)) / 1e6 for one in (whole, small)]


def _save(store: Store, dataset: Dataset, extractor: Extractor) -> None:
    dataset = embedded(dataset, extractor)
    parts = split(dataset, 0.2, 0)
    result = train_parts(parts, dataset, "logistic-features", "clf", extractor=extractor)
    store.save(result.candidate)


def asking(images: list[bytes]) -> Callable[[str], None]:
    """All images, by several clients at once."""

    def ask(url: str) -> None:
        def one(image: bytes) -> None:
            request = urllib.request.Request(
                f"{url}/predict/clf", image, {"Content-Type": "image/jpeg", "X-Request-ID": "1"}
            )
            with urllib.request.urlopen(request) as response:
                response.read()

        with ThreadPoolExecutor(CLIENTS) as clients:
            list(clients.map(one, images))

    return ask


@click.command(context_settings={"show_default": True})
@click.option("--rounds", default=3, type=click.IntRange(1))
@click.option(
    "--output", default=ROOT / "bench" / "photo_startup.md", type=click.Path(path_type=Path)
)
def main(rounds: int, output: Path) -> None:
    """Measure a worker with and without the default extractor."""
    many = asking([image for _, image in photos(2, ASKED)])
    with tempfile.TemporaryDirectory(prefix="pupila-bench-") as folder:
        homes, sizes = stores(Path(folder))
        once: dict[str, list[tuple[float, ...]]] = {name: [] for name in homes}
        busy: dict[str, list[tuple[float, ...]]] = {name: [] for name in homes}
        for _ in range(rounds):
            for name, home in homes.items():
                settings = {
                    "BENTOML_HOME": str(home),
                    "PUPILA_HOME": str(home / "pupila"),
                    "PUPILA_LOG_LEVEL": "ERROR",
                    # The deadline is for clients of a machine that nobody else uses.
                    "PUPILA_DEADLINE_MS": "60000",
                }
                once[name].append(measure(settings))
                busy[name].append(measure(settings, many))
                click.echo(f"{name}: {once[name][-1]}, {busy[name][-1]}", err=True)
    rows = []
    for name in homes:
        ready, cpu, rss, pss = (
            statistics.median(column) for column in zip(*once[name], strict=True)
        )
        after = statistics.median(one[3] for one in busy[name])
        rows.append([name, *(f"{value:.1f}" for value in (ready, cpu, rss, pss, after))])
    head = ("medians", "ready s", "CPU s", "RSS MiB", "PSS MiB", f"PSS MiB after {ASKED} photos")
    text = (
        heading("Photos at start", ["python -m bench.photo_startup", *sys.argv[1:]])
        + f"\nOne worker, {rounds} rounds. *CPU* until it is ready. The last column: asked by "
        + f"{CLIENTS} clients at once.\nThe graphs: {sizes[0]:.1f} MB, in int8 {sizes[1]:.1f}.\n\n"
        + markdown(head, rows)
        + "\n"
    )
    output.write_text(text, encoding="utf-8")
    click.echo(text)


if __name__ == "__main__":
    main(prog_name="python -m bench.photo_startup")
