"""A version's files on disk, read and verified; see architecture/0002-artifact.md.

Nothing here unpickles, and serving never reads ``estimator.skops`` of an ONNX version.
"""

import hashlib
import io
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from errors import ArtifactError, first_line
from models.manifest import Manifest
from models.runtime import OnnxRuntime, Runtime

MANIFEST = "manifest.json"
GRAPH = "model.onnx"
ESTIMATOR = "estimator.skops"
GOLDEN = "golden.npz"
REFERENCE = "reference.npz"
HALVES = ("half_a.onnx", "half_b.onnx")

# The confusion matrix of a thousand classes takes some megabytes.
_MAX_MANIFEST_BYTES = 16 * 2**20

# Limit of the difference of a replayed score, since another processor sums in another order; the
# same as in the parity check.
TOLERANCE = 1e-4


@dataclass(frozen=True)
class Artifact:
    """The files of one version."""

    path: Path
    manifest: Manifest

    def read(self, name: str) -> bytes:
        """A file's content, once its SHA-256 was found equal to the manifest's.

        Raises ArtifactError if the file is missing, altered, or not in the manifest.
        """
        expected = self.manifest.files.get(name)
        if expected is None:
            raise ArtifactError(f"The manifest of {self.path.name} does not list {name}.")
        try:
            content = (self.path / name).read_bytes()
        except OSError as error:
            raise ArtifactError(
                f"{name} of {self.path.name} cannot be read: {error.strerror}."
            ) from error
        if hashlib.sha256(content).hexdigest() != expected:
            raise ArtifactError(
                f"{name} of {self.path.name} is not the file that was saved: its SHA-256 differs "
                "from the manifest's; restore it, or save the version again."
            )
        return content

    def arrays(self, name: str) -> dict[str, NDArray[Any]]:
        """The arrays of a verified ``.npz`` file; raises ArtifactError, also for pickled arrays."""
        content = self.read(name)
        try:
            with np.load(io.BytesIO(content), allow_pickle=False) as archive:
                return dict(archive)
        except (ValueError, OSError, EOFError, BadZipFile) as error:
            raise ArtifactError(
                f"{name} of {self.path.name} cannot be read as arrays: {first_line(error)}."
            ) from error

    def verify(self) -> None:
        """Check every file's SHA-256; raises ArtifactError for the first that differs."""
        for name in self.manifest.files:
            self.read(name)

    def open(self) -> Runtime:
        """The version's classifier, once it has reproduced its golden examples.

        Raises ArtifactError if a file was altered, or if a prediction has changed since the version
        was saved.
        """
        runtime: Runtime
        if self.manifest.backend == "sklearn":
            # Only for a version saved with --backend sklearn.
            try:
                from models.offline.estimator import EstimatorRuntime
            except ImportError:
                raise ArtifactError(
                    f"{self.path.name} was saved with --backend sklearn and needs scikit-learn, "
                    "which is not installed: pip install -r requirements/train.txt."
                ) from None

            runtime = EstimatorRuntime(self.read(ESTIMATOR), self.manifest)
        else:
            runtime = OnnxRuntime(self.read(GRAPH))
        self._replay(runtime)
        return runtime

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
        if not np.array_equal(features, golden["features"]):
            raise ArtifactError(
                f"{self.path.name} does not reproduce the features of its golden examples: its "
                "image spec was changed, or another version of Pupila saved it."
            )
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


def read_artifact(path: Path) -> Artifact:
    """The artifact in a folder, once its manifest was checked.

    Raises ArtifactError if there is no manifest, or one of another schema.
    """
    unreadable = ArtifactError(
        f"{path.name} has no readable {MANIFEST}, so it is not a version saved by Pupila."
    )
    try:
        status = (path / MANIFEST).stat()
        if not stat.S_ISREG(status.st_mode) or status.st_size > _MAX_MANIFEST_BYTES:
            raise unreadable
        text = (path / MANIFEST).read_bytes()
    except OSError as error:
        raise unreadable from error
    try:
        manifest = Manifest.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise ArtifactError(
            f"{MANIFEST} of {path.name} does not follow schema 1: {where}: {first['msg'].lower()}."
        ) from error
    return Artifact(path, manifest)
