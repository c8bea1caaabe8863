"""The version that is inspected, and the reference that its production data is compared with."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from errors import ImageError, MonitorError, RecordsError
from images.decoding import read_pixels
from images.spec import ImageSpec
from labels import nfc, plain
from models.extractor import Embedder
from models.familiarity import Familiarity
from models.honest import Honest
from models.manifest import Label
from models.neighbours import NEIGHBOURS, Neighbours
from models.reference import COMPONENTS, Reference, seen_spec
from models.runtime import Runtime, inputs_of
from models.version import Version
from records.sources import Sample, from_path, read_file
from records.windows import Record

_CHUNK = 256
_MAX_IMAGES = 10_000


Inputs = NDArray[np.uint8] | NDArray[np.float32]
"""What a classifier takes of N images: their pixels in the image spec's size, or embeddings."""


@dataclass(frozen=True, eq=False)
class MonitoredVersion:
    """One version of a model; ``reference`` is None if the version has no reference data."""

    version: Version
    reference: Reference | None

    @classmethod
    def of(cls, version: Version, data: Path | None = None) -> Self:
        """``data``: labelled images for a version without reference data, such as an imported
        pickle. Raises MonitorError if the version has its own, or the images are not usable."""
        own = Reference.load(version.artifact)
        if data is None:
            return cls(version, own)
        if own is not None:
            raise MonitorError(f"{version.tag} has its own reference data: omit --data.")
        return cls(version, reference_from(data, cls(version, None)))

    @property
    def model(self) -> str:
        return self.version.name

    @property
    def spec(self) -> ImageSpec:
        """Of the pixels that are compared: of photos, small copies."""
        return seen_spec(self.version.manifest)

    @cached_property
    def embedder(self) -> Embedder | None:
        """What makes embeddings of the features of the version's own image spec."""
        extractor = self.version.artifact.extractor()
        return None if extractor is None else extractor.open()

    @cached_property
    def familiarity(self) -> Familiarity | None:
        """How far photos are from those that were trained on, by their embeddings."""
        if self.version.manifest.extractor is None:
            return None
        honest = Honest.load(self.version.artifact)
        return None if honest is None else honest.familiarity

    @property
    def labels(self) -> tuple[Label, ...]:
        return self.version.manifest.labels

    @cached_property
    def runtime(self) -> Runtime:
        """The classifier itself, for predictions that were recorded without probabilities. Of
        photos it takes embeddings."""
        return self.version.artifact.head()

    @cached_property
    def halves(self) -> tuple[Runtime, Runtime] | None:
        """Two copies of the classifier, each trained on half of the data."""
        return self.version.artifact.halves()

    def answers(self, inputs: Inputs, runtime: Runtime) -> NDArray[np.float32]:
        """float32 [N, C], the outputs of the classifier, or of a half, for uint8 [N, F], or for
        the embeddings of photos."""
        return outputs_of(runtime, self.spec, inputs, len(self.labels))

    def outputs(self, records: Sequence[Record], inputs: Inputs) -> NDArray[np.float32]:
        """float32 [N, C], what N requests with these images were answered.

        As recorded, or computed again where the version gives scores, which are not recorded.
        """
        size = 4 * len(self.labels)
        kept = [record.probabilities for record in records]
        if all(recorded is not None and len(recorded) == size for recorded in kept):
            joined = b"".join(recorded for recorded in kept if recorded is not None)
            outputs = np.frombuffer(joined, "<f4").astype(np.float32).reshape(-1, len(self.labels))
            # One NaN would make every test of the others meaningless.
            return np.nan_to_num(outputs)
        return self.answers(inputs, self.runtime)


def _text(label: object) -> str:
    """A label as the text that stands for it: a spreadsheet makes 8 into 8.0."""
    text = nfc(str(plain(label)))
    whole = text.removesuffix(".0")
    return whole if whole.lstrip("-").isdecimal() else text


def outputs_of(
    runtime: Runtime, spec: ImageSpec, inputs: Inputs, classes: int
) -> NDArray[np.float32]:
    """float32 [N, classes] for uint8 [N, F], or for embeddings; the features of a few images at a
    time in memory."""
    outputs = np.empty((len(inputs), classes), np.float32)
    for start in range(0, len(inputs), _CHUNK):
        features = inputs_of(spec, inputs[start : start + _CHUNK])
        outputs[start : start + _CHUNK] = runtime.run(features).scores
    return outputs


def reference_from(path: Path, monitored: MonitoredVersion) -> Reference:
    """A reference made of labelled images that the version was not trained on: a folder with one
    sub-folder for each class, or a CSV or Parquet file with the columns image and label.

    Half of them replace the training data, which is not available: their principal components and
    small copies are used as the version's. Raises MonitorError for a class that the version does
    not have, and for too few or too many images.
    """
    # Importing it takes half a second of CPU, and only such a version needs it.
    from sklearn.decomposition import PCA

    index_of = {nfc(str(label)): index for index, label in enumerate(monitored.labels)}
    pixels, indices = [], []
    for sample in from_path(path, "image", "label"):
        if sample.label is None:
            # An export of records contains disputed labels as null.
            continue
        index = index_of.get(_text(sample.label))
        if index is None:
            raise MonitorError(
                f"{path} contains the class {str(sample.label)!r} ({sample.where}), which "
                f"{monitored.version.tag} does not have: its classes are "
                f"{_listed(monitored.labels)}."
            )
        image = _pixels(sample, monitored.spec)
        if image is not None:
            pixels.append(image)
            indices.append(index)
        if len(indices) > _MAX_IMAGES:
            raise MonitorError(f"{path} has too many images: the limit is {_MAX_IMAGES:,}.")
    if len(indices) < 2:
        raise MonitorError(
            f"{path} has too few readable images ({len(indices)}): about 500 are recommended."
        )
    order = np.random.default_rng(0).permutation(len(indices))
    images, labels = np.stack(pixels)[order], np.array(indices, dtype=np.int64)[order]
    half = len(order) // 2
    features = monitored.spec.features(images[:half])
    # Drawn at random, so that each of them says as much as one of the other half.
    known = images[: min(half, NEIGHBOURS)]
    neighbours = Neighbours.of(known, monitored.spec)
    among = neighbours.among(known)
    analysis = PCA(min(COMPONENTS, *features.shape), random_state=0).fit(features)
    return Reference(
        pixels=images[half:],
        labels=labels[half:],
        probabilities=monitored.answers(images[half:], monitored.runtime),
        pca_mean=analysis.mean_.astype(np.float32),
        pca_components=analysis.components_.astype(np.float32),
        neighbours=neighbours.small,
        nearest=np.concatenate([neighbours.distances(images[half:]), among[np.isfinite(among)]]),
    )


def _pixels(sample: Sample, spec: ImageSpec) -> NDArray[np.uint8] | None:
    """None if it is not a readable image: a folder may contain a text file too."""
    image = sample.image
    try:
        content = read_file(image) if isinstance(image, Path) else image
        return read_pixels(content, spec) if isinstance(content, bytes) else None
    except (RecordsError, ImageError):
        return None


def _listed(labels: Sequence[Label]) -> str:
    listed = ", ".join(map(str, labels[:12]))
    return listed if len(labels) <= 12 else f"{listed} and {len(labels) - 12} more"
