"""A trained classifier on its way to become a version: converted, checked, then written whole."""

import hashlib
import io
import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from errors import ConversionError
from images.spec import ImageSpec
from models.artifact import ESTIMATOR, GOLDEN, GRAPH, HALVES, MANIFEST, REFERENCE
from models.manifest import DataFingerprint, Label, Manifest, Metrics, Parity, Speed
from models.offline import parity
from models.offline.conversion import Graph, convert
from models.offline.estimator import EstimatorRuntime, dump_estimator
from models.offline.halves import convert_halves
from models.reference import Reference
from models.runtime import OnnxRuntime, Outcome

GOLDEN_IMAGES = 16
# libsvm takes milliseconds for an image of 12,288 features, and the check asks about seven variants
# of each image: few of them for large images, so that the check stays shorter than the training.
CHECKED_FEATURES = 1_000_000
CHECKED_IMAGES = (40, 600)

_LIBRARIES = ("bentoml", "numpy", "onnx", "onnxruntime", "pillow", "scikit-learn", "skl2onnx")

# What two trainings with the same seed and data may differ in.
_NOT_CONTENT = {"created_at", "speed", "parent", "content"}


@dataclass(frozen=True)
class Candidate:
    """Everything known of a trained classifier. ``check_pixels``: uint8 [N, n_features], images
    it was not trained on, for the parity check and the golden examples. ``halves``: copies of the
    estimator fitted to halves of the data, or else, in ``without_halves``, why there are none."""

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

    def write(self, folder: Path) -> Manifest:
        """Convert, check and write all files of the version into an empty folder.

        The manifest is written last. Raises ConversionError or ParityError, and then the folder
        holds no manifest.
        """
        labels = label_values(self.estimator.classes_)
        files: dict[str, bytes] = {ESTIMATOR: dump_estimator(self.estimator)}
        graph: Graph | None = None
        found: Parity | None = None
        speed: Speed | None = None
        if self.backend == "onnx":
            graph = convert(self.estimator, self.spec.n_features)
            fewest, most = CHECKED_IMAGES
            count = min(max(CHECKED_FEATURES // self.spec.n_features, fewest), most)
            checked = parity.variants(self.check_pixels[:count], self.spec, seed=0)
            features = self.spec.features(checked)
            found = parity.check(self.estimator, graph, features)
            speed = parity.speed(self.estimator, graph, features)
            files[GRAPH] = graph.model
        files.update(self.pictures)
        reference, halves, without_halves = self._with_halves()
        files.update(halves)
        output: Literal["probabilities", "scores"] = (
            "probabilities" if hasattr(self.estimator, "predict_proba") else "scores"
        )
        manifest = Manifest(
            name=self.name,
            created_at=datetime.now(UTC),
            labels=labels,
            label_type="string" if isinstance(labels[0], str) else "integer",
            image_spec=self.spec,
            backend=self.backend,
            output=graph.output if graph else output,
            origin=graph.origin if graph else None,
            estimator=type(self.estimator).__name__,
            recipe=self.recipe,
            parameters=dict(self.parameters),
            data=self.data,
            metrics=self.metrics,
            parity=found,
            speed=speed,
            libraries=libraries(),
            parent=self.parent,
            without_halves=without_halves,
            files={},
            content="",
        )
        golden = self.check_pixels[:GOLDEN_IMAGES]
        golden_features = self.spec.features(golden)
        files[GOLDEN] = _npz(
            pixels=golden,
            features=golden_features,
            **self._run(manifest, files, golden_features)._asdict(),
        )
        if reference is not None:
            files[REFERENCE] = reference.dump()
        hashes = {name: hashlib.sha256(files[name]).hexdigest() for name in sorted(files)}
        manifest = _changed(manifest, files=hashes)
        manifest = _changed(manifest, content=content_digest(manifest))
        for name, content in files.items():
            (folder / name).write_bytes(content)
        (folder / MANIFEST).write_text(manifest.model_dump_json(indent=2) + "\n")
        return manifest

    def _with_halves(self) -> tuple[Reference | None, dict[str, bytes], str | None]:
        """The reference with the halves' answers, their files, and the reason if there are none.

        A version can be served without them, so that they have no graph does not stop it.
        """
        if self.halves is None or self.reference is None:
            return self.reference, {}, self.without_halves
        try:
            made = convert_halves(self.halves, self.estimator, self.spec, self.reference.pixels)
        except ConversionError as error:
            return self.reference, {}, str(error)
        files = dict(zip(HALVES, made.graphs, strict=True))
        return replace(self.reference, halves=made.probabilities), files, None

    def _run(
        self, manifest: Manifest, files: Mapping[str, bytes], features: NDArray[np.float32]
    ) -> Outcome:
        if self.backend == "sklearn":
            return EstimatorRuntime(files[ESTIMATOR], manifest).run(features)
        return OnnxRuntime(files[GRAPH]).run(features)


def label_values(classes: Sequence[Any] | NDArray[Any]) -> tuple[Label, ...]:
    """The labels as JSON has them: all integers, or all strings.

    Raises ConversionError for any other kind, such as 0.5 or True.
    """
    values = np.asarray(classes)
    if values.ndim == 1 and np.issubdtype(values.dtype, np.integer):
        return tuple(int(value) for value in values)
    if values.ndim == 1 and all(isinstance(value, str) for value in values.tolist()):
        return tuple(str(value) for value in values)
    raise ConversionError(
        f"The classifier's labels are {values.dtype}, and a label must be an integer or a string."
    )


def libraries() -> dict[str, str]:
    """The versions of Python and of the libraries that a version depends on."""
    return {"python": platform.python_version()} | {name: installed(name) for name in _LIBRARIES}


def _changed(manifest: Manifest, **changes: Any) -> Manifest:
    """The manifest with other fields, checked again, as ``model_copy`` would not."""
    return Manifest.model_validate(manifest.model_dump() | changes)


def content_digest(manifest: Manifest) -> str:
    """SHA-256 over all of the manifest that the same seed and data would give again."""
    kept = manifest.model_dump(mode="json", exclude=_NOT_CONTENT)
    return hashlib.sha256(
        json.dumps(kept, sort_keys=True, separators=(",", ":")).encode()
    ).hexdigest()


def _npz(**arrays: NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()
