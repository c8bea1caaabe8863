"""Production without a server: predictions of a trained version, written as the server does."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from images.spec import ImageSpec
from models.manifest import Label
from models.store import Store
from models.version import Version
from monitor.findings import Findings
from monitor.inspection import inspect
from monitor.storage import save_reports
from monitor.window.version import MonitoredVersion
from records.database import Database
from records.labels import NewLabel, add
from records.prediction import KeptPrediction
from records.writer import write
from tests.drawing import png
from train.dataset import Dataset, split
from train.digits import load_digits
from train.fit import train

NOON = datetime(2030, 1, 31, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
DIGITS = ImageSpec.parse("digits")

Pixels = NDArray[np.uint8]


def trained(
    root: Path | None = None, recipe: str = "logistic", name: str = "clf"
) -> tuple[Version, Dataset]:
    """A version trained on two thirds of the digits, and the others, which it has never seen."""
    parts = split(load_digits(DIGITS), 1 / 3, seed=3)
    result = train(parts.train, recipe, name, holdout=0.35)
    order = np.random.default_rng(5).permutation(len(parts.holdout))
    return Store(root).save(result.candidate), parts.holdout.take(order)


def keep(
    database: Database,
    version: Version,
    pixels: Pixels,
    *,
    at: datetime = NOON,
    prefix: str = "r",
    ids: Sequence[str] | None = None,
    weight: float = 1.0,
) -> list[str]:
    """Predictions of these images, over the hour before ``at``; returns their request ids."""
    manifest = version.manifest
    scores = version.artifact.open().run(manifest.image_spec.features(pixels)).scores
    names = list(ids or (f"{prefix}-{row}" for row in range(len(pixels))))
    start, spec = at - HOUR, manifest.image_spec
    shape = (spec.height, spec.width, spec.channels)[: 2 if spec.channels == 1 else 3]
    rows = [
        KeptPrediction(
            request_id=name,
            model=version.name,
            version=version.version,
            role="champion",
            at=start + HOUR * (row / len(pixels)),
            status=200,
            reason=None,
            label=manifest.labels[int(output.argmax())],
            confidence=float(output.max()),
            probabilities=output.astype("<f4").tobytes() if manifest.gives_probabilities else None,
            weight=weight,
            image=png(image.reshape(shape)),
        )
        for row, (name, image, output) in enumerate(zip(names, pixels, scores, strict=True))
    ]
    write(database, rows, {})
    return names


def give_labels(database: Database, names: Sequence[str], labels: Sequence[Label]) -> None:
    items = [NewLabel(name, label) for name, label in zip(names, labels, strict=True)]
    add(database, items, lambda _model: range(10))


def inspected(database: Database, monitored: MonitoredVersion, hour: int = 0) -> Findings:
    """The hour that ends so many hours after noon, inspected and saved."""
    end = NOON + hour * HOUR
    findings = inspect(database, monitored, end - HOUR, end)
    save_reports(database, findings)
    return findings


def turned(pixels: Pixels) -> Pixels:
    """On their side: still digits, and hard to read."""
    return np.ascontiguousarray(np.rot90(pixels.reshape(-1, 8, 8), axes=(1, 2)).reshape(-1, 64))


@dataclass(frozen=True)
class Production:
    """A version, and images in random order that it has never seen."""

    version: Version
    dataset: Dataset

    def images(self, window: int, count: int = 120) -> Pixels:
        """Of one of four windows."""
        start = window * count
        assert start + count <= len(self.dataset)
        return self.dataset.pixels[start : start + count]

    def truth(self, window: int, count: int = 120) -> list[int]:
        return [int(label) for label in self.dataset.targets[window * count :][:count]]
