"""The version that is looked at, and what its production is compared with."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA

from errors import ImageError, MonitorError, RecordsError
from images.decoding import read_pixels
from images.spec import ImageSpec
from models.manifest import Label
from models.reference import COMPONENTS, Reference
from models.runtime import Runtime
from models.version import Version
from records.sources import Sample, from_path, read_file
from records.windows import Record

_CHUNK = 256
_MOST = 10_000


@dataclass(frozen=True, eq=False)
class MonitoredVersion:
    """One version of a model. ``reference`` is None where nothing is known of its data."""

    version: Version
    reference: Reference | None

    @classmethod
    def of(cls, version: Version, data: Path | None = None) -> Self:
        """``data``: labelled images for a version that came without any, such as an imported
        pickle. Raises MonitorError if it has its own, or the images will not do."""
        known = Reference.load(version.artifact)
        if data is None:
            return cls(version, known)
        if known is not None:
            raise MonitorError(f"{version.tag} has reference data of its own: leave --data out.")
        alone = cls(version, None)
        return cls(version, reference_from(data, alone))

    @property
    def model(self) -> str:
        return self.version.name

    @property
    def spec(self) -> ImageSpec:
        return self.version.manifest.image_spec

    @property
    def labels(self) -> tuple[Label, ...]:
        return self.version.manifest.labels

    @cached_property
    def runtime(self) -> Runtime:
        """The classifier itself, for what was recorded without probabilities."""
        return self.version.artifact.open()

    @cached_property
    def halves(self) -> tuple[Runtime, Runtime] | None:
        return self.version.artifact.halves()

    def answers(self, pixels: NDArray[np.uint8], runtime: Runtime) -> NDArray[np.float32]:
        """float32 [N, C], what a classifier of this version's features says of uint8 [N, F]."""
        found = np.empty((len(pixels), len(self.labels)), np.float32)
        for start in range(0, len(pixels), _CHUNK):
            features = self.spec.features(pixels[start : start + _CHUNK])
            found[start : start + _CHUNK] = runtime.run(features).scores
        return found

    def outputs(self, records: Sequence[Record], pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """float32 [N, C], what was answered to N records with these images.

        As it was recorded; where it was not, because the version gives scores, it is asked again.
        """
        size = 4 * len(self.labels)
        kept = [one.probabilities for one in records]
        if all(one is not None and len(one) == size for one in kept):
            joined = b"".join(one for one in kept if one is not None)
            found = np.frombuffer(joined, "<f4").astype(np.float32).reshape(-1, len(self.labels))
            # Of one that is no number, no test of the others would tell anything.
            return np.nan_to_num(found)
        return self.answers(pixels, self.runtime)


def reference_from(path: Path, subject: MonitoredVersion) -> Reference:
    """A reference of labelled images that the version was not trained on: a folder with one
    sub-folder for each class, or a CSV or Parquet file with the columns image and label.

    Half of them stand for the training data, which nobody has: their principal components are
    those of the version. Raises MonitorError for a class it does not have, or too few images.
    """
    places = {str(label): place for place, label in enumerate(subject.labels)}
    pixels, found = [], []
    for sample in from_path(path, "image", "label"):
        if sample.label is None:
            # An export of records has disputed labels, which are none.
            continue
        place = places.get(str(sample.label))
        if place is None:
            raise MonitorError(
                f"{path} has the class {str(sample.label)!r} ({sample.where}), and "
                f"{subject.version.tag} does not: its classes are {_named(subject.labels)}."
            )
        image = _pixels(sample, subject.spec)
        if image is not None:
            pixels.append(image)
            found.append(place)
        if len(found) > _MOST:
            raise MonitorError(f"{path} has more than {_MOST:,} images: fewer tell as much.")
    if len(found) < 2:
        raise MonitorError(
            f"{path} has {len(found)} images that can be read: 500 are a good number."
        )
    order = np.random.default_rng(0).permutation(len(found))
    images, labels = np.stack(pixels)[order], np.array(found, dtype=np.int64)[order]
    half = len(order) // 2
    features = subject.spec.features(images[:half])
    analysis = PCA(min(COMPONENTS, *features.shape), random_state=0).fit(features)
    return Reference(
        pixels=images[half:],
        labels=labels[half:],
        probabilities=subject.answers(images[half:], subject.runtime),
        pca_mean=analysis.mean_.astype(np.float32),
        pca_components=analysis.components_.astype(np.float32),
    )


def _pixels(sample: Sample, spec: ImageSpec) -> NDArray[np.uint8] | None:
    """None for what is no image: a folder may hold a text file too."""
    image = sample.image
    try:
        content = read_file(image) if isinstance(image, Path) else image
        return read_pixels(content, spec) if isinstance(content, bytes) else None
    except (RecordsError, ImageError):
        return None


def _named(labels: Sequence[Label]) -> str:
    listed = ", ".join(map(str, labels[:12]))
    return listed if len(labels) <= 12 else f"{listed} and {len(labels) - 12} more"
