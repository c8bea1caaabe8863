"""A version's files on disk, read and verified; see architecture/0002-artifact.md.

Nothing here unpickles, and serving never reads ``estimator.skops`` of an ONNX version.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from errors import ArtifactError, first_line
from models.extractor import Embedder, Extractor, read_extractor
from models.files import load_arrays, open_regular, read_regular, size_of
from models.limits import limited_memory
from models.manifest import ExtractorReference, Label, Manifest, content_digest
from models.runtime import Composed, OnnxRuntime, Runtime
from models.schema import parsed
from models.signature import TrustedKeys

MANIFEST = "manifest.json"
GRAPH = "model.onnx"
ESTIMATOR = "estimator.skops"
GOLDEN = "golden.npz"
REFERENCE = "reference.npz"
HALVES = ("half_a.onnx", "half_b.onnx")

# The confusion matrix of a thousand classes takes some megabytes.
_MAX_MANIFEST_BYTES = 16 * 2**20

# Larger files are brought into memory only after their SHA-256 was found right.
_HASHED_FIRST = 64 * 2**20

# Limit of the difference of a replayed score, since another processor sums in another order; the
# same as in the parity check.
TOLERANCE = 1e-4


@dataclass(frozen=True)
class Artifact:
    """The files of one version.

    ``sha256``: of ``manifest.json``; ``content``: what its ``content`` should be. Whatever a method
    reads comes from a version that ``trusted`` has signed, if there are keys.
    """

    path: Path
    manifest: Manifest
    sha256: str
    content: str
    trusted: TrustedKeys = field(default_factory=TrustedKeys)

    def read(self, name: str) -> bytes:
        """A file's content, once its SHA-256 was found equal to the manifest's.

        Raises ArtifactError if the file is missing, altered, no regular file, or not in the
        manifest; and if the manifest is altered, or not signed by a trusted key.
        """
        self._checked  # noqa: B018 - raises
        expected = self.manifest.files.get(name)
        if expected is None:
            raise ArtifactError(f"The manifest of {self.path.name} does not list {name}.")
        try:
            with open_regular(self.path / name) as file:
                right, content = True, b""
                if size_of(file) > _HASHED_FIRST:
                    right = hashlib.file_digest(file, "sha256").hexdigest() == expected
                    file.seek(0)
                if right:
                    content = file.read(size_of(file))
        except OSError as error:
            raise ArtifactError(
                f"{name} of {self.path.name} cannot be read: {error.strerror}."
            ) from error
        if not right or hashlib.sha256(content).hexdigest() != expected:
            raise ArtifactError(
                f"{name} of {self.path.name} is not the file that was saved: its SHA-256 differs "
                "from the manifest's; restore it, or save the version again."
            )
        return content

    def arrays(self, name: str) -> dict[str, NDArray[Any]]:
        """The arrays of a verified ``.npz`` file; raises ArtifactError, also for pickled arrays."""
        content = self.read(name)
        try:
            return load_arrays(content)
        except (ValueError, OSError, EOFError, BadZipFile, MemoryError) as error:
            raise ArtifactError(
                f"{name} of {self.path.name} cannot be read as arrays: {first_line(error)}."
            ) from error

    def verify(self) -> None:
        """Check the manifest and every file; raises ArtifactError for the first that is wrong."""
        self._checked  # noqa: B018 - raises
        for name in self.manifest.files:
            self.read(name)

    def open(self) -> Runtime:
        """What turns the image spec's features into an outcome, golden examples reproduced.

        That is the classifier, behind the extractor if there is one. Raises ArtifactError if a file
        was altered, or if a prediction has changed since the version was saved.
        """
        head, extractor = self.head(), self.extractor()
        if extractor is None:
            return head
        embedder = extractor.open()
        self.check_embeddings(extractor, embedder)
        return Composed(embedder, head)

    def check_embeddings(self, extractor: Extractor, embedder: Embedder) -> None:
        """Raise ArtifactError unless the embeddings of the golden examples are reproduced."""
        golden = self.arrays(GOLDEN)
        features = self.manifest.image_spec.features(golden["pixels"])
        extractor.compare(embedder.run(features), golden["embeddings"])

    def head(self) -> Runtime:
        """The classifier, once it has reproduced its golden examples; of a version with an
        extractor it takes embeddings, float32 [N, dimension]. Raises ArtifactError as ``open``."""
        with limited_memory():
            runtime = self._runtime()
            self._replay(runtime)
        return runtime

    def extractor(self) -> Extractor | None:
        """What the classifier's embeddings are made with; None if it takes the spec's features.

        Raises ArtifactError if it is missing, or another one than the version was trained with.
        """
        self._checked  # noqa: B018 - raises
        wanted = self.manifest.extractor
        if wanted is None:
            return None
        for path in self._extractor_paths(wanted):
            extractor = read_extractor(path)
            if extractor.sha256 == wanted.sha256:
                return extractor
        raise ArtifactError(
            f"{self.manifest.name}:{self.path.name} needs the extractor {wanted.name}:"
            f"{wanted.version}, which is not in the store; import a file that has both, or add it: "
            "python -m features add"
        )

    def _extractor_paths(self, wanted: ExtractorReference) -> Iterator[Path]:
        beside = self.path.parent.parent
        path = beside / wanted.name / wanted.version
        if path.is_dir():
            yield path
        # Here, since a cluster's workers get this module without the settings, and all beside it.
        from models.roots import extractor_paths

        yield from extractor_paths(beside, wanted.name, wanted.version)

    def halves(self) -> tuple[Runtime, Runtime] | None:
        """The half models: two copies of the classifier, trained on one half of the data each.

        If the two disagree more often than on the reference, the classifier's accuracy has probably
        dropped: see ``monitor.accuracy.harm``. Serving never reads them. None if the version was
        saved without; ``manifest.without_halves`` then says why, if known. Raises ArtifactError.
        """
        if not self.manifest.files.keys() >= set(HALVES):
            return None
        first, second = HALVES
        return OnnxRuntime(self.read(first)), OnnxRuntime(self.read(second))

    @cached_property
    def _checked(self) -> bool:
        """Checked once; what is wrong is checked again, since a signature may be added."""
        if self.manifest.content not in ("", self.content):
            raise ArtifactError(
                f"{MANIFEST} of {self.path.name} is not the file that was saved: its content has "
                "another SHA-256; restore it, or save the version again."
            )
        if self.trusted.keys:
            manifest = _read_manifest(self.path)
            if hashlib.sha256(manifest).hexdigest() != self.sha256:
                raise ArtifactError(f"{MANIFEST} of {self.path.name} has changed; load it again.")
            self.trusted.check(self.path, manifest)
        return True

    def _runtime(self) -> Runtime:
        if self.manifest.backend == "onnx":
            return OnnxRuntime(self.read(GRAPH))
        # Only for a version saved with --backend sklearn.
        try:
            from models.offline.estimator import EstimatorRuntime
        except ImportError:
            raise ArtifactError(
                f"{self.path.name} was saved with --backend sklearn and needs scikit-learn, "
                "which is not installed: pip install -r requirements/train.txt."
            ) from None
        return EstimatorRuntime(self.read(ESTIMATOR), self.manifest)

    def _replay(self, runtime: Runtime) -> None:
        golden = self.arrays(GOLDEN)
        try:
            self._compare(runtime, golden)
        except ArtifactError:
            raise
        except Exception as error:
            raise ArtifactError(
                f"{self.path.name} cannot run its golden examples: {first_line(error)}."
            ) from error

    def _compare(self, runtime: Runtime, golden: dict[str, NDArray[Any]]) -> None:
        features = self.manifest.image_spec.features(golden["pixels"])
        if not _equal_features(features, golden):
            raise ArtifactError(
                f"{self.path.name} does not reproduce the features of its golden examples: its "
                "image spec was changed, or another version of Pupila saved it."
            )
        labels = golden.get("labels")
        # Versions that were saved before golden examples had labels have none.
        if labels is not None and not np.array_equal(labels, golden_labels(self.manifest.labels)):
            raise ArtifactError(
                f"{self.path.name} does not have the labels of its golden examples, or not in "
                "their order, so it would answer with wrong ones."
            )
        if self.manifest.extractor is not None:
            features = golden["embeddings"]
        outcome = runtime.run(features)
        expected = (len(features), len(self.manifest.labels))
        if outcome.scores.shape != expected or outcome.indices.shape != expected[:1]:
            raise ArtifactError(
                f"The graph of {self.path.name} gives {outcome.scores.shape[-1]} scores, and its "
                f"manifest names {expected[1]} labels."
            )
        worst = float(np.abs(outcome.scores - golden["scores"]).max())
        scale = max(1.0, float(np.abs(golden["scores"]).max()))
        if not worst <= TOLERANCE * scale or not np.array_equal(outcome.indices, golden["indices"]):
            raise ArtifactError(
                f"{self.path.name} does not reproduce the predictions of its golden examples "
                f"(largest difference {worst:.2g}), so it cannot be used here."
            )


def features_digest(features: NDArray[np.float32]) -> NDArray[np.uint8]:
    """SHA-256 of features, uint8 [32]: those of a photo take 600 KB."""
    little = np.ascontiguousarray(features, np.dtype("<f4"))
    return np.frombuffer(hashlib.sha256(little.data).digest(), np.uint8)


def _equal_features(features: NDArray[np.float32], golden: dict[str, NDArray[Any]]) -> bool:
    if "features" in golden:
        return np.array_equal(features, golden["features"])
    return np.array_equal(features_digest(features), golden["features_sha256"])


def golden_labels(labels: Sequence[Label]) -> NDArray[np.uint8]:
    """The labels as an array, uint8: their JSON, since NumPy's text loses a NUL at its end."""
    return np.frombuffer(json.dumps(list(labels)).encode(), np.uint8)


def read_artifact(path: Path, trusted: TrustedKeys | None = None) -> Artifact:
    """The artifact in a folder, once its manifest was found to follow the schema.

    Raises ArtifactError if there is no manifest, or one of another schema.
    """
    text = _read_manifest(path)
    manifest, fields = parsed(Manifest, text, f"{MANIFEST} of {path.name}")
    content = content_digest(fields)
    sha256 = hashlib.sha256(text).hexdigest()
    return Artifact(path, manifest, sha256, content, trusted or TrustedKeys())


def _read_manifest(path: Path) -> bytes:
    try:
        return read_regular(path / MANIFEST, _MAX_MANIFEST_BYTES)
    except OSError as error:
        raise ArtifactError(
            f"{path.name} has no readable {MANIFEST}, so it is not a version saved by Pupila."
        ) from error
