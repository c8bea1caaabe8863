"""What the monitor sees of changed photos: ``python -m bench.photo_drift``.

Writes ``bench/photo_drift.md``. Needs ``scripts/install photos``, and apt for the pictures.
"""

import io
import sys
import tempfile
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import click
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageFilter

from bench.machine import heading
from bench.photo_sets import in_folder, photo_sets
from bench.process import ROOT
from bench.table import markdown
from images.spec import ImageSpec
from models.embedding_cache import EmbeddingCache
from models.honest import Honest
from models.offline.bringing_extractor import bring_default
from models.offline.embeddings import embeddings_of
from models.reference import Reference, seen_spec
from models.small import small_copies
from models.store import Store
from models.version import Version
from monitor.drift.detector import DriftDetector, DriftSettings
from monitor.drift.results import DriftReport
from train.dataset import Dataset, split
from train.embedding import embedded
from train.fit import train_parts
from train.folder import load_folder

Pixels = NDArray[np.uint8]

WINDOW: Final = 40
DRAWS: Final = 40

EXPLAINED = f"""
A version is trained on half of the photographed things on white of `bench/photos.md`, and validated
on a quarter, which is its reference; windows of {WINDOW} photos are drawn from the last quarter,
{DRAWS} of each kind, and changed. *changed*: the share of windows in which a view is certain (5 %,
after Holm's correction) and the change large enough, and by which views most often; *accuracy*: of
the changed photos. The first row shows false alarms. The reference is far smaller than the monitor
asks for in production, so it is told to make do with it.
"""


def _by_image(
    change: Callable[[Image.Image], Image.Image],
) -> Callable[[Pixels, ImageSpec], Pixels]:
    def changed(pixels: Pixels, spec: ImageSpec) -> Pixels:
        shape = (spec.height, spec.width, 3)
        images = [change(Image.fromarray(one.reshape(shape))) for one in pixels]
        return np.stack([np.asarray(one.convert("RGB"), np.uint8).reshape(-1) for one in images])

    return changed


def _as_jpeg(image: Image.Image) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=8)
    return Image.open(buffer)


def _noisy(image: Image.Image) -> Image.Image:
    values = np.asarray(image, np.float32)
    noise = np.random.default_rng(int(values.sum()) % 2**32).normal(0, 40, values.shape)
    return Image.fromarray(np.clip(values + noise, 0, 255).astype(np.uint8))


def _part(image: Image.Image) -> Image.Image:
    width, height = image.size
    middle = image.crop((width // 4, height // 4, width * 3 // 4, height * 3 // 4))
    return middle.resize(image.size)


SHIFTS: Final[Mapping[str, Callable[[Pixels, ImageSpec], Pixels]]] = {
    "none": lambda pixels, _spec: pixels,
    "half as bright": _by_image(lambda image: ImageEnhance.Brightness(image).enhance(0.5)),
    "blurred": _by_image(lambda image: image.filter(ImageFilter.GaussianBlur(4))),
    "gray": _by_image(lambda image: image.convert("L")),
    "noise": _by_image(_noisy),
    "JPEG at quality 8": _by_image(_as_jpeg),
    "upside down": _by_image(lambda image: image.rotate(180)),
    "the middle alone": _by_image(_part),
}


def _trained(data: Dataset, store: Store) -> tuple[Version, Dataset]:
    """A version, and a quarter of the photos, which it has never seen."""
    extractor = bring_default(store).extractor
    data = embedded(data, extractor)
    parts = split(data, 0.25, 1)
    result = train_parts(
        split(parts.train, 1 / 3, 2),
        parts.train,
        "logistic-features",
        "photos",
        drawn=True,
        extractor=extractor,
    )
    return store.save(result.candidate), parts.holdout


def _rows(version: Version, unseen: Dataset, others: Dataset) -> list[list[str]]:
    reference, honest = Reference.load(version.artifact), Honest.load(version.artifact)
    extractor, head = version.artifact.extractor(), version.artifact.head()
    if reference is None or honest is None or extractor is None:
        raise click.ClickException("The version was not trained as it should.")
    spec, cache = version.manifest.image_spec, EmbeddingCache(extractor)
    settings = DriftSettings(min_images=WINDOW // 2, ratio=1, max_images=WINDOW)
    detector = DriftDetector(settings).fit(
        reference, seen_spec(version.manifest), version.manifest.labels, honest.familiarity
    )
    images = unseen.pixels[:]
    kinds = {name: (change(images, spec), unseen.targets) for name, change in SHIFTS.items()}
    kinds["on photos of nature"] = (others.pixels[:], others.targets)
    some = unseen.targets != "animals"
    kinds["no animals"] = (unseen.pixels[some], unseen.targets[some])
    rows = []
    for name, (pixels, targets) in kinds.items():
        click.echo(f"{name} ...", err=True)
        embeddings = embeddings_of(pixels, extractor, cache)
        outputs = head.run(embeddings).scores
        right = np.array(version.manifest.labels)[outputs.argmax(axis=1)] == targets
        small = small_copies(pixels, spec)
        found: list[DriftReport] = []
        for draw in range(DRAWS):
            rng = np.random.default_rng(draw)
            chosen = rng.choice(len(pixels), WINDOW, replace=len(pixels) < WINDOW)
            found.append(
                detector.compare(
                    small[chosen], outputs[chosen], seed=draw, embeddings=embeddings[chosen]
                )
            )
        rows.append([name, _seen(found), _strongest(found), f"{right.mean():.3f}"])
    return rows


def _large(report: DriftReport) -> list[str]:
    return [view.name for view in report.views if view.large and view.adjusted <= 0.05]


def _seen(found: list[DriftReport]) -> str:
    return f"{np.mean([bool(_large(report)) for report in found]):.2f}"


def _strongest(found: list[DriftReport]) -> str:
    names = [name for report in found for name in _large(report)]
    counts = {name: names.count(name) / len(found) for name in dict.fromkeys(names)}
    best = sorted(counts, key=lambda name: -counts[name])[:2]
    return ", ".join(f"{name} {counts[name]:.2f}" for name in best) or "-"


@click.command()
@in_folder
@click.option(
    "--output", default=ROOT / "bench" / "photo_drift.md", type=click.Path(path_type=Path)
)
def main(folder: Path, output: Path) -> None:
    """Take all measurements, which need a minute of CPU."""
    warnings.filterwarnings("ignore")
    sets = photo_sets(folder)
    with tempfile.TemporaryDirectory() as home:
        store = Store(Path(home) / "models")
        spec = bring_default(store).extractor.manifest.image_spec
        version, unseen = _trained(load_folder(sets["on white"], spec), store)
        others = load_folder(sets["on photos"], spec)
        rows = _rows(version, unseen, others)
    text = [
        heading("Photos that change", ["python -m bench.photo_drift", *sys.argv[1:]]),
        EXPLAINED,
        markdown(("change", "changed", "by", "accuracy"), rows),
    ]
    output.write_text("\n".join(text).rstrip() + "\n", encoding="utf-8")
    click.echo(f"Wrote {output}.")


if __name__ == "__main__":
    main()
