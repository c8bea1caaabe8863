"""The manifest: a version's metadata, in a JSON file next to its other files."""

import json
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from images.spec import ImageSpec
from models.names import NAME
from models.schema import digest
from models.source import Source

SCHEMA_VERSION: Literal[1] = 1

Output = Literal["probabilities", "scores"]
Label = (
    Annotated[int, Field(strict=True, ge=-(2**63), le=2**63 - 1)]
    | Annotated[str, Field(strict=True)]
)
Proportion = Annotated[float, Field(ge=0, le=1)]
FileName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
MAX_DIMENSION: Final = 8192
"""Numbers of an embedding; the largest backbones in use give 4,096."""

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


class Interval(_Frozen):
    """A proportion with its 95 % confidence interval."""

    value: Proportion
    low: Proportion
    high: Proportion


class ClassMetrics(_Frozen):
    """How well one class is separated from the others: proportions of holdout images."""

    label: Label
    images: int
    precision: Proportion
    recall: Proportion
    f1: Proportion
    false_positive_rate: Proportion
    false_negative_rate: Proportion


class Metrics(_Frozen):
    """How the version performed on its holdout."""

    images: int
    accuracy: Interval
    log_loss: float | None
    calibration_error: float | None
    classes: tuple[ClassMetrics, ...]
    confusion: tuple[tuple[int, ...], ...] = Field(
        description="rows: true label, columns: predicted label"
    )


class DataFingerprint(_Frozen):
    """Identifies the data that the version was trained on."""

    name: str
    sha256: str = Field(description="over pixels and labels, in order")
    images: int
    holdout: int
    classes: dict[str, int] = Field(description="images of each label")
    skipped: int = Field(description="files that were not readable")
    seed: int


class Parity(_Frozen):
    """How the graph's predictions compared with its estimator's."""

    images: int
    disagreements: int = Field(description="labels that differ, without the close calls")
    close_calls: int = Field(
        description="images whose two best scores differ by label_margin at most"
    )
    label_margin: float
    max_difference: float = Field(description="of a probability or score")
    tolerance: float
    max_batch_difference: float = Field(description="between batch 1 and batch N")
    operators: tuple[str, ...]


class Speed(_Frozen):
    """scikit-learn's time divided by the graph's, for one batch of 1, 32 or 128 images."""

    batch_1: float
    batch_32: float
    batch_128: float

    @property
    def warning(self) -> str | None:
        """One sentence if the graph is slower, which does not make its predictions wrong."""
        by_size = {1: self.batch_1, 32: self.batch_32, 128: self.batch_128}
        slower = [
            f"{ratio:.2f} times as fast for a batch of {size}"
            for size, ratio in by_size.items()
            if ratio < 1
        ]
        if not slower:
            return None
        return (
            f"The graph was slower than scikit-learn when it was measured ({', '.join(slower)}), "
            "maybe because the machine was busy."
        )


class Calibration(_Frozen):
    """How scores became probabilities: numbers that were found on the training data, by a
    cross-validation, and that change no label."""

    method: Literal["temperature", "sigmoid"] = Field(
        description="sigmoid: the same for each class, and then normalized"
    )
    images: int
    folds: int
    log_loss: float = Field(description="of images that were not fitted, in nats")
    log_loss_before: float | None = Field(
        description="of the probabilities that the classifier gives by itself, if it gives any"
    )


class Honesty(_Frozen):
    """What the version can say of its own answers; the numbers are in ``honest.npz``.

    ``images`` that were held out state coverages up to images / (images + 1).
    """

    images: int = Field(ge=0, description="that prediction sets are made with")
    thresholds: dict[str, float] = Field(
        description="for some coverages, the probability from which on a label is in the set"
    )
    compares: Literal["pixels", "embedding"] | None = Field(
        description="what the distance to the nearest training image is of, if that is known"
    )
    compared: int = Field(ge=0, description="held-out images whose distance is known")
    neighbours: int = Field(ge=0, description="training images that are kept to compare with")
    limits: dict[str, float] = Field(
        description="the distances beyond which 1 % and 5 % of the held-out images are, as far as "
        "these are enough"
    )


class ExtractorReference(_Frozen):
    """The extractor whose embeddings a version's classifier takes.

    ``sha256``: the content of the extractor's manifest, and so of all its files: equal for two
    versions exactly if they turn an image into the same embedding.
    """

    name: str = Field(pattern=NAME)
    version: str = Field(pattern=NAME)
    sha256: Sha256
    dimension: int = Field(ge=1, le=MAX_DIMENSION)


class Quantization(_Frozen):
    """What the extractor in int8 costs in accuracy, and saves, compared with that in float."""

    extractor: str = Field(description="the one in float, as name:version")
    images: int = Field(description="held-out images that both classified")
    accuracy: Proportion = Field(description="of a classifier on the embeddings in float")
    accuracy_int8: Proportion
    max_loss: float = Field(description="of accuracy, that was allowed")
    bytes: int = Field(description="of the graph in float")
    bytes_int8: int
    speed: float = Field(description="processor time of a pass in float, divided by that in int8")

    @property
    def loss(self) -> float:
        """Of accuracy; below 0 if int8 was better."""
        return self.accuracy - self.accuracy_int8

    @property
    def holds(self) -> bool:
        """Whether no more accuracy is lost than is allowed."""
        return self.loss <= self.max_loss + 1e-9


class Manifest(_Frozen):
    """All metadata of a version."""

    schema_version: Literal[1] = SCHEMA_VERSION
    name: str
    created_at: AwareDatetime
    labels: tuple[Label, ...] = Field(min_length=2)
    label_type: Literal["integer", "string"]
    image_spec: ImageSpec
    extractor: ExtractorReference | None = Field(
        default=None, description="what turns the image spec's features into embeddings"
    )
    quantization: Quantization | None = Field(
        default=None, description="of an extractor that --quantize made"
    )
    backend: Literal["onnx", "sklearn"]
    output: Output
    origin: Literal["written", "skl2onnx"] | None = Field(description="where the graph came from")
    estimator: str = Field(description="class name of the scikit-learn classifier")
    recipe: str | None
    parameters: dict[str, Any]
    data: DataFingerprint | None
    metrics: Metrics | None
    parity: Parity | None
    speed: Speed | None
    libraries: dict[str, str]
    parent: str | None = Field(description="the version this one was trained to replace")
    source: Source | None = Field(
        default=None, description="where an imported estimator was taken from"
    )
    without_halves: str | None = Field(
        default=None,
        description="why a trained version has no half models, half_a.onnx and half_b.onnx",
    )
    without_estimator: str | None = Field(
        default=None, description="why a version with a graph has no estimator.skops"
    )
    augmented: int = Field(
        default=0,
        description="copies of each training image, mirrored, cropped or recolored, that it was "
        "trained on, too",
    )
    calibration: Calibration | None = Field(
        default=None, description="None for a version whose probabilities are as they were"
    )
    honesty: Honesty | None = Field(
        default=None,
        description="None for a version that gives no prediction sets and knows no image",
    )
    abstain: float | None = Field(
        default=None,
        gt=0,
        lt=1,
        description="the coverage: an image that is not known, or whose prediction set has not one "
        "label, is answered null",
    )
    files: dict[FileName, Sha256] = Field(description="SHA-256 of every other file")
    content: str = Field(
        default="",
        description="SHA-256 of everything that the same seed and data reproduce; see "
        "``content_digest``",
    )

    @model_validator(mode="after")
    def _labels_are_of_one_type(self) -> Self:
        kind = str if self.label_type == "string" else int
        if not all(type(label) is kind for label in self.labels):
            raise ValueError(f"labels are not all of type {self.label_type}")
        if len(set(self.labels)) < len(self.labels):
            raise ValueError("a label is repeated")
        return self

    @property
    def gives_probabilities(self) -> bool:
        return self.output == "probabilities"


# Two trainings with the same seed and data may differ in these.
_NOT_CONTENT: Final = frozenset({"created_at", "speed", "parent", "content"})


def content_digest(fields: Mapping[str, Any]) -> str:
    """SHA-256 of a manifest's fields, as its JSON has them, that the same seed and data reproduce.

    Those of the file, not of a ``Manifest``: a field that is added later has a default there, and
    the digests of older versions would no longer fit.
    """
    return digest(fields, _NOT_CONTENT)


def changed(manifest: Manifest, **changes: Any) -> Manifest:
    """A copy with other values, validated again, and the digest of its content."""
    found = Manifest.model_validate(manifest.model_dump() | changes)
    content = content_digest(json.loads(found.model_dump_json()))
    return found.model_copy(update={"content": content})
