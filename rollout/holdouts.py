"""The images on which the gate compares two versions, and what the two answer."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import compress

import numpy as np
from numpy.typing import NDArray

from errors import ImageError
from images.decoding import read_pixels
from images.spec import ImageSpec
from labels import label_key
from models.manifest import Label, Manifest
from models.offline.embeddings import embeddings_of
from models.offline.likeness import Likeness
from models.offline.photo_likeness import PhotoLikeness, scenes_of
from models.pixels import taken
from models.reference import Reference
from models.runtime import Runtime, head_of, inputs_of
from models.store import Store
from models.version import Version
from records.chunks import chunks
from records.database import Database
from records.windows import read, window
from rollout.measures import Answers

Inputs = NDArray[np.uint8] | NDArray[np.float32]

FROZEN = "the champion's holdout"
PRODUCTION = "production"

_MAX_IMAGES = 2000
_MIN_IMAGES = 200
# Of photos, 1,700.
_MAX_BYTES = 256 * 2**20
_FILES = 32
_BATCH = 256


@dataclass(frozen=True, eq=False)
class Holdout:
    """N images as each version sees them, uint8 [N, F], with their true labels; or their
    embeddings, float32 [N, dimension], if both versions take the same.

    ``weights``: float64 [N], how many requests each stands for; ``void``: why the comparison does
    not count; ``scenes``: int64 [N], equal for photos of one scene, if they have embeddings.
    """

    name: str
    truth: tuple[Label, ...]
    weights: NDArray[np.float64]
    champion: Inputs
    challenger: Inputs
    void: str | None = None
    scenes: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.truth)


def frozen(champion: Version, challenger: Version) -> Holdout | str:
    """The images that the champion was validated on; or why they cannot be used."""
    reference = Reference.load(champion.artifact)
    if reference is None or not len(reference):
        return f"{champion.tag} has no holdout, as every imported pickle"
    extractors = champion.manifest.extractor, challenger.manifest.extractor
    if extractors[0] is not None and extractors[0] != extractors[1]:
        return (
            f"the holdout of {champion.tag} is kept as embeddings of {extractors[0].name}:"
            f"{extractors[0].version}, which {challenger.tag} does not take"
        )
    if not challenger.manifest.image_spec.reads_as(champion.manifest.image_spec):
        return (
            f"the holdout of {champion.tag} is kept as {champion.manifest.image_spec.name}, which "
            f"{challenger.tag} does not read"
        )
    labels = champion.manifest.labels
    embeddings = reference.embeddings
    inputs: Inputs = reference.pixels
    scenes: NDArray[np.int64] | None = None
    if embeddings is not None:
        inputs = embeddings.astype(np.float32)
        scenes = scenes_of(inputs, reference.labels)
    return Holdout(
        FROZEN,
        tuple(labels[index] for index in reference.labels),
        np.ones(len(reference)),
        inputs,
        inputs,
        void=trained_on(champion.manifest, challenger.manifest),
        scenes=scenes,
    )


def trained_on(champion: Manifest, challenger: Manifest) -> str | None:
    """Why the challenger must have been trained on images of the champion's holdout, if the
    manifests tell: the same data, split in another way. Another seed, or another size."""
    old, new = champion.data, challenger.data
    if old is None or new is None or old.sha256 != new.sha256:
        return None
    if (old.seed, old.holdout) == (new.seed, new.holdout):
        return None
    return (
        "the challenger was trained on images of this holdout: its data are the champion's, split "
        f"by seed {new.seed} into a holdout of {new.holdout:,} instead of by seed {old.seed} into "
        f"one of {old.holdout:,}"
    )


def production(
    database: Database, champion: Version, challenger: Version, store: Store | None = None
) -> Holdout:
    """The newest labelled requests whose images were drawn at random, each image once.

    Without the images that one of the two was trained on, or nearly one of them, as far as
    ``store`` keeps those. Raises DatabaseError, and ModelError if they cannot be read.
    """
    records = window(database, champion.name, limit=None, labelled=True, with_images=False)
    ids = [record.id for record in records if record.drawn == "random" and record.truth is not None]
    specs = champion.manifest.image_spec, challenger.manifest.image_spec
    seen: set[str] = set()
    truth: list[Label] = []
    weights: list[float] = []
    pixels: list[tuple[NDArray[np.uint8], NDArray[np.uint8]]] = []
    most = min(_MAX_IMAGES, max(_MIN_IMAGES, _MAX_BYTES // max(spec.n_features for spec in specs)))
    for chunk in chunks(ids[-most:], _FILES):
        with database.reading() as connection:
            read_records = read(connection, chunk)
        for record in read_records:
            digest = sha256(record.image).hexdigest() if record.image else ""
            if not record.image or record.truth is None or digest in seen:
                continue
            try:
                old_pixels = read_pixels(record.image, specs[0])
                both = old_pixels, old_pixels
                if specs[0] != specs[1]:
                    both = old_pixels, read_pixels(record.image, specs[1])
            except ImageError:
                continue
            seen.add(digest)
            pixels.append(both)
            truth.append(record.truth)
            weights.append(record.weight or 1.0)
    old = _stacked([one for one, _ in pixels], specs[0])
    new = old if specs[0] == specs[1] else _stacked([one for _, one in pixels], specs[1])
    unseen = ~(_seen(store, champion, old) | _seen(store, challenger, new))
    old, new = old[unseen], new[unseen]
    inputs: tuple[Inputs, Inputs] = old, new
    scenes: NDArray[np.int64] | None = None
    extractor = champion.artifact.extractor()
    if extractor is not None:
        # A retraining has just computed them.
        embeddings = embeddings_of(old, extractor)
        keys = [str(label_key(label)) for label in compress(truth, unseen)]
        scenes = scenes_of(embeddings, np.unique(keys, return_inverse=True)[1].astype(np.int64))
        if champion.manifest.extractor == challenger.manifest.extractor:
            inputs = embeddings, embeddings
    return Holdout(
        PRODUCTION,
        tuple(compress(truth, unseen)),
        np.array(weights, np.float64)[unseen],
        *inputs,
        scenes=scenes,
    )


def _seen(store: Store | None, version: Version, pixels: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """bool [N]: which of ``pixels``, uint8 [N, F], the version was trained on, or nearly so."""
    images = None
    if store is not None and len(pixels):
        images = store.training_images.read(version.name, version.version)
    if not images:
        return np.zeros(len(pixels), dtype=bool)
    sides = np.array(images.sides)
    trained = taken(images.pixels, np.flatnonzero(sides == "train"))
    extractor = version.artifact.extractor()
    if extractor is None:
        likeness = Likeness.of(trained, images.spec)
    else:
        held = taken(images.pixels, np.flatnonzero(sides == "holdout"))
        likeness = PhotoLikeness.between(trained, held, extractor)
    return likeness.among(pixels, trained)


def _stacked(pixels: Sequence[NDArray[np.uint8]], spec: ImageSpec) -> NDArray[np.uint8]:
    return np.stack(pixels) if pixels else np.empty((0, spec.n_features), np.uint8)


class Classes:
    """The labels of both versions, and any others, as indices."""

    def __init__(self, *several: Sequence[Label]) -> None:
        self._index: dict[tuple[str, Label | None], int] = {}
        self.labels: list[Label] = []
        for labels in several:
            for label in labels:
                if label_key(label) not in self._index:
                    self._index[label_key(label)] = len(self.labels)
                    self.labels.append(label)

    def indices(self, labels: Sequence[Label]) -> NDArray[np.int64]:
        return np.array([self._index[label_key(label)] for label in labels], np.int64)


def answers(
    version: Version,
    runtime: Runtime,
    inputs: Inputs,
    truth: NDArray[np.int64],
    classes: Classes,
) -> Answers:
    """What a version makes of uint8 [N, F], or of embeddings."""
    manifest = version.manifest
    scores = np.empty((len(inputs), len(manifest.labels)), np.float32)
    indices = np.empty(len(inputs), np.int64)
    taking = runtime if inputs.dtype == np.uint8 else head_of(runtime)
    for start in range(0, len(inputs), _BATCH):
        part = slice(start, start + _BATCH)
        features = inputs_of(manifest.image_spec, inputs[part])
        scores[part], indices[part] = taking.run(features)
    own = classes.indices(manifest.labels)
    finite: NDArray[np.bool_] = np.asarray(np.isfinite(scores).all(axis=1))
    predicted = np.where(finite, own[indices], -1)
    if not manifest.gives_probabilities:
        return Answers(predicted, None, None)
    normal = np.where(finite[:, None], scores, 0.0).astype(np.float64)
    normal /= np.maximum(normal.sum(axis=1, keepdims=True), np.finfo(np.float64).tiny)
    columns = np.full(len(classes.labels), -1)
    columns[own] = np.arange(len(own))
    column = columns[truth]
    true = np.where(column >= 0, normal[np.arange(len(truth)), column], 0.0)
    # As scikit-learn's log_loss clips it.
    loss = -np.log(np.maximum(true, np.finfo(np.float64).eps))
    return Answers(predicted, normal.max(axis=1, initial=0.0), loss)
