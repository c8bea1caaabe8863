"""Real versions made without training: a linear classifier with weights from a seed."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from images.spec import ImageSpec
from models.artifact import GOLDEN, GRAPH, MANIFEST, REFERENCE, golden_labels
from models.honest import HONEST, Honest
from models.manifest import Label, Manifest, Speed, content_digest
from models.reference import Reference
from models.runtime import OnnxRuntime
from models.store import Store
from models.training_images import TrainingSet
from models.unsaved import Unsaved
from models.version import Version

DIGITS = ImageSpec.parse("digits")


def rewrite_manifest(folder: Path, fields: dict[str, Any]) -> None:
    """Write a manifest whose content is right."""
    fields = fields | {"content": content_digest(fields)}
    (folder / MANIFEST).write_text(json.dumps(fields))


def replace_graph(folder: Path, graph: bytes) -> None:
    """Give a version another graph, under a manifest that fits it."""
    (folder / GRAPH).write_bytes(graph)
    fields = json.loads((folder / MANIFEST).read_text())
    fields["files"][GRAPH] = hashlib.sha256(graph).hexdigest()
    rewrite_manifest(folder, fields)


@dataclass(frozen=True)
class LinearDraft:
    """Writes what a trained candidate would: softmax of a linear function of the pixels.

    With ``answer`` set, every image is given that label. ``reference``: images that it was
    validated on, and their true labels; ``honest``: what prediction sets and known images are
    judged by; ``abstain``: as in the manifest.
    """

    name: str = "clf"
    labels: tuple[Label, ...] = tuple(range(10))
    spec: ImageSpec = DIGITS
    seed: int = 0
    answer: Label | None = None
    probabilities: bool = True
    created_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    reference: Reference | None = None
    honest: Honest | None = None
    abstain: float | None = None

    def write(self, folder: Path) -> Manifest:
        model = self._graph()
        generator = np.random.default_rng(1)
        pixels = generator.integers(0, 256, (4, self.spec.n_features), np.uint8)
        features = self.spec.features(pixels)
        outcome = OnnxRuntime(model).run(features)
        golden = BytesIO()
        labels = golden_labels(self.labels)
        np.savez(golden, pixels=pixels, features=features, labels=labels, **outcome._asdict())
        files = {GRAPH: model, GOLDEN: golden.getvalue()}
        if self.reference is not None:
            files[REFERENCE] = self.reference.dump()
        if self.honest is not None:
            files[HONEST] = self.honest.dump()
        manifest = Manifest(
            name=self.name,
            created_at=self.created_at,
            labels=self.labels,
            label_type="string" if isinstance(self.labels[0], str) else "integer",
            image_spec=self.spec,
            backend="onnx",
            output="probabilities" if self.probabilities else "scores",
            origin="written",
            estimator="LinearDraft",
            recipe=None,
            parameters={},
            data=None,
            metrics=None,
            parity=None,
            speed=None,
            libraries={},
            parent=None,
            honesty=None if self.honest is None else self.honest.record,
            abstain=self.abstain,
            files={name: hashlib.sha256(content).hexdigest() for name, content in files.items()},
        )
        for name, content in files.items():
            (folder / name).write_bytes(content)
        rewrite_manifest(folder, json.loads(manifest.model_dump_json()))
        return Manifest.model_validate_json((folder / MANIFEST).read_bytes())

    def _graph(self) -> bytes:
        weights, bias = self._weights()
        last = "Softmax" if self.probabilities else "Identity"
        out = "probabilities" if self.probabilities else "scores"
        graph = helper.make_graph(
            [
                helper.make_node("Gemm", ["features", "weights", "bias"], ["linear"]),
                helper.make_node(last, ["linear"], [out]),
            ],
            "linear",
            [
                helper.make_tensor_value_info(
                    "features", TensorProto.FLOAT, ["N", self.spec.n_features]
                )
            ],
            [helper.make_tensor_value_info(out, TensorProto.FLOAT, ["N", len(self.labels)])],
            [numpy_helper.from_array(weights, "weights"), numpy_helper.from_array(bias, "bias")],
        )
        model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])
        return bytes(model.SerializeToString())

    def _weights(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        shape = (self.spec.n_features, len(self.labels))
        if self.answer is not None:
            bias = np.zeros(len(self.labels), np.float32)
            bias[self.labels.index(self.answer)] = 5
            return np.zeros(shape, np.float32), bias
        generator = np.random.default_rng(self.seed)
        return (
            generator.normal(0, 0.05, shape).astype(np.float32),
            np.zeros(len(self.labels), np.float32),
        )


def holdout(truth: Sequence[int], spec: ImageSpec = DIGITS, classes: int = 10) -> Reference:
    """Different images with these true labels, as indices."""
    pixels = np.random.default_rng(2).integers(0, 256, (len(truth), spec.n_features), np.uint8)
    return Reference(pixels, np.array(truth, np.int64), np.zeros((len(truth), classes), np.float32))


@dataclass(frozen=True)
class Measured:
    """Another draft, whose graph was measured to have this speed."""

    draft: Unsaved
    speed: Speed

    @property
    def name(self) -> str:
        return self.draft.name

    def write(self, folder: Path) -> Manifest:
        self.draft.write(folder)
        fields = json.loads((folder / MANIFEST).read_text()) | {"speed": self.speed.model_dump()}
        rewrite_manifest(folder, fields)
        return Manifest.model_validate(fields)


class MeasuringStore(Store):
    """A store on a machine where every graph has the same speed."""

    def __init__(self, root: Path, speed: Speed) -> None:
        super().__init__(root)
        self._speed = speed

    def save(
        self,
        unsaved: Unsaved,
        images: TrainingSet | None = None,
        written: Callable[[Version], object] | None = None,
    ) -> Version:
        return super().save(Measured(unsaved, self._speed), images, written)
