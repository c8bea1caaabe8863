"""A trained classifier that may become a version: converted, checked, then written."""

import contextlib
import hashlib
import io
import json
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from errors import ConversionError
from images.spec import ImageSpec
from models.artifact import (
    ESTIMATOR,
    GOLDEN,
    GRAPH,
    HALVES,
    MANIFEST,
    REFERENCE,
    features_digest,
    golden_labels,
)
from models.extractor import Extractor
from models.honest import HONEST, Honest
from models.manifest import (
    Calibration,
    DataFingerprint,
    Label,
    Manifest,
    Metrics,
    Output,
    Parity,
    Quantization,
    Speed,
    changed,
    content_digest,
)
from models.offline import parity
from models.offline.classes import label_values
from models.offline.conversion import Graph, convert
from models.offline.estimator import EstimatorRuntime, dump_estimator
from models.offline.halves import convert_halves
from models.reference import Reference
from models.runtime import OnnxRuntime, Outcome

GOLDEN_IMAGES = 16
# A photo has 150 KB, and an extractor takes 20 ms of each whenever a version is loaded.
GOLDEN_PHOTOS = 4
# libsvm takes milliseconds for an image of 12,288 features, and the check runs seven variants of
# each image. Fewer images if they are large, so that the check stays shorter than the training.
CHECKED_FEATURES = 1_000_000
CHECKED_IMAGES = (40, 600)

_LIBRARIES = ("bentoml", "numpy", "onnx", "onnxruntime", "pillow", "scikit-learn", "skl2onnx")


@dataclass(frozen=True)
class Candidate:
    """A trained classifier and everything known about it.

    ``check_pixels``: uint8 [N, n_features], images it was not trained on, for the parity check and
    the golden examples. ``extractor``: if there is one, the estimator was trained on its
    embeddings, and ``check_embeddings`` are those of ``check_pixels``, float32 [N, dimension].
    ``halves``: copies of the estimator, each fitted to one half of the data; if there are none,
    ``without_halves`` says why. ``abstain``: the coverage of a version that may say nothing.
    """

    name: str
    estimator: Any
    spec: ImageSpec
    check_pixels: NDArray[np.uint8]
    recipe: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    data: DataFingerprint | None = None
    metrics: Metrics | None = None
    reference: Reference | None = None
    halves: tuple[Any, Any] | None = None
    without_halves: str | None = None
    pictures: Mapping[str, bytes] = field(default_factory=dict)
    parent: str | None = None
    backend: Literal["onnx", "sklearn"] = "onnx"
    labels: tuple[Label, ...] | None = None
    calibration: Calibration | None = None
    honest: Honest | None = None
    abstain: float | None = None
    extractor: Extractor | None = None
    quantization: Quantization | None = None
    check_embeddings: NDArray[np.float32] | None = None
    augmented: int = 0

    def __post_init__(self) -> None:
        if (self.extractor is None) != (self.check_embeddings is None):
            raise ValueError("an extractor and embeddings go together")

    @property
    def n_inputs(self) -> int:
        """Numbers that the classifier takes: those of an embedding, or of the image spec."""
        return self.spec.n_features if self.extractor is None else self.extractor.manifest.dimension

    def write(self, folder: Path) -> Manifest:
        """Convert and check the classifier, and write all files into an empty folder.

        The manifest is written last. Raises ConversionError or ParityError, and then nothing is
        written.
        """
        labels = self.labels or label_values(self.estimator.classes_)
        files, without_estimator = self._with_estimator()
        graph: Graph | None = None
        checked: Parity | None = None
        speed: Speed | None = None
        if self.backend == "onnx":
            graph = convert(self.estimator, self.n_inputs)
            features = self._check_features()
            checked = parity.check(self.estimator, graph, features)
            speed = parity.speed(self.estimator, graph, features)
            files[GRAPH] = graph.model
        files.update(self.pictures)
        reference, halves, without_halves = self._with_halves()
        files.update(halves)
        output: Output = "probabilities" if hasattr(self.estimator, "predict_proba") else "scores"
        manifest = Manifest(
            name=self.name,
            created_at=datetime.now(UTC),
            labels=labels,
            label_type="string" if isinstance(labels[0], str) else "integer",
            image_spec=self.spec,
            extractor=None if self.extractor is None else self.extractor.reference,
            quantization=self.quantization,
            backend=self.backend,
            output=graph.output if graph else output,
            origin=graph.origin if graph else None,
            estimator=type(self.estimator).__name__,
            recipe=self.recipe,
            parameters=dict(self.parameters),
            data=self.data,
            metrics=self.metrics,
            parity=checked,
            speed=speed,
            libraries=libraries(),
            parent=self.parent,
            without_halves=without_halves,
            without_estimator=without_estimator,
            augmented=self.augmented,
            calibration=self.calibration,
            honesty=None if self.honest is None else self.honest.record,
            abstain=self.abstain,
            files={},
            content="",
        )
        golden, inputs = self._golden()
        files[GOLDEN] = _npz(
            **golden,
            labels=golden_labels(labels),
            **self._run(manifest, files, inputs)._asdict(),
        )
        if reference is not None:
            files[REFERENCE] = reference.dump()
        if self.honest is not None:
            files[HONEST] = self.honest.dump()
        hashes = {name: hashlib.sha256(files[name]).hexdigest() for name in sorted(files)}
        manifest = changed(manifest, files=hashes)
        manifest = changed(manifest, content=content_digest(json.loads(manifest.model_dump_json())))
        for name, content in files.items():
            (folder / name).write_bytes(content)
        (folder / MANIFEST).write_text(manifest.model_dump_json(indent=2) + "\n")
        return manifest

    def _with_estimator(self) -> tuple[dict[str, bytes], str | None]:
        """The estimator's file, and why there is none: only its graph is needed to serve it."""
        try:
            return {ESTIMATOR: dump_estimator(self.estimator)}, None
        except ConversionError as error:
            if self.backend == "sklearn":
                raise
            return {}, str(error)

    def _with_halves(self) -> tuple[Reference | None, dict[str, bytes], str | None]:
        """The reference with the half models' probabilities, their files, and why there are none.

        A version can be served without half models, so it is saved even if they have no graph.
        """
        if self.halves is None or self.reference is None:
            return self.reference, {}, self.without_halves
        try:
            halves = convert_halves(
                self.halves,
                self.estimator,
                self.spec,
                self.reference.pixels,
                self.reference.embeddings,
            )
        except ConversionError as error:
            return self.reference, {}, str(error)
        files = dict(zip(HALVES, halves.graphs, strict=True))
        return replace(self.reference, halves=halves.probabilities), files, None

    def _golden(self) -> tuple[dict[str, NDArray[Any]], NDArray[np.float32]]:
        """The golden images with what they are made into, and what the classifier takes of them."""
        if self.check_embeddings is None:
            pixels = self.check_pixels[:GOLDEN_IMAGES]
            features = self.spec.features(pixels)
            return {"pixels": pixels, "features": features}, features
        pixels = self.check_pixels[:GOLDEN_PHOTOS]
        digest = features_digest(self.spec.features(pixels))
        embeddings = self.check_embeddings[:GOLDEN_PHOTOS]
        golden = {"pixels": pixels, "features_sha256": digest, "embeddings": embeddings}
        return golden, embeddings

    def _check_features(self) -> NDArray[np.float32]:
        """Variants of some of ``check_pixels``, or of their embeddings, float32 [N, n_inputs]."""
        minimum, maximum = CHECKED_IMAGES
        count = min(max(CHECKED_FEATURES // self.n_inputs, minimum), maximum)
        if self.check_embeddings is not None:
            return parity.embedding_variants(self.check_embeddings[:count], seed=0)
        return self.spec.features(parity.variants(self.check_pixels[:count], self.spec, seed=0))

    def _run(
        self, manifest: Manifest, files: Mapping[str, bytes], features: NDArray[np.float32]
    ) -> Outcome:
        if self.backend == "sklearn":
            return EstimatorRuntime(files[ESTIMATOR], manifest).run(features)
        return OnnxRuntime(files[GRAPH]).run(features)


def libraries() -> dict[str, str]:
    """The versions of Python and of the libraries that a version depends on."""
    found = {"python": platform.python_version()}
    for name in _LIBRARIES:
        # BentoML is not where another scikit-learn converts a pickle.
        with contextlib.suppress(PackageNotFoundError):
            found[name] = installed(name)
    return found


def _npz(**arrays: NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()
