"""The scikit-learn estimator of a version, saved as skops: for retraining, not for serving.

The one exception is a version saved with ``--backend sklearn``, which serves the estimator itself
because it has no ONNX graph.
"""

import io
import json
import zipfile
from typing import Any

import numpy as np
import skops.io
from numpy.typing import NDArray

from errors import ArtifactError, ConversionError, first_line
from labels import plain
from models.files import MAX_ARRAY_BYTES, check_members
from models.manifest import Manifest
from models.offline.answers import scores
from models.runtime import Outcome

# Types that skops does not trust by default. Each was reviewed in scikit-learn's source: loading
# it restores numbers and runs nothing that the file chooses.
REVIEWED_TYPES = frozenset(
    {
        "sklearn.calibration._CalibratedClassifier",
        "sklearn.calibration._SigmoidCalibration",
        "sklearn.calibration._TemperatureScaling",
        "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
        "sklearn.metrics._dist_metrics.EuclideanDistance64",
        "sklearn.neighbors._kd_tree.KDTree",
        "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
        "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
        "sklearn.tree._tree.Tree",
    }
)

_FIXED_DATE = (1980, 1, 1, 0, 0, 0)


def dump_estimator(estimator: object) -> bytes:
    """The estimator as skops bytes, equal for equal estimators.

    skops names objects by their address in memory and adds the time; both are replaced here, so
    that the same seed and data give the same file. Raises ConversionError for an estimator with a
    type that was not reviewed, since it could not be loaded again.
    """
    try:
        raw = skops.io.dumps(estimator)
    except Exception as error:
        raise ConversionError(
            f"The estimator cannot be saved as skops: {first_line(error)}."
        ) from error
    unreviewed = sorted(set(skops.io.get_untrusted_types(data=raw)) - REVIEWED_TYPES)
    if unreviewed:
        raise ConversionError(
            f"The estimator cannot be saved, since it contains {', '.join(unreviewed)}, which was "
            "not reviewed for loading (see models/offline/estimator.py)."
        )
    return _canonical(raw)


def load_estimator(content: bytes) -> Any:
    """The estimator in skops bytes; raises ArtifactError if a type in it was not reviewed."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            check_members(archive, MAX_ARRAY_BYTES)
        return skops.io.loads(content, trusted=sorted(REVIEWED_TYPES))
    except Exception as error:
        raise ArtifactError(f"estimator.skops cannot be loaded: {first_line(error)}.") from error


class EstimatorRuntime:
    """Runs the estimator itself, which is slower than a graph and loads scikit-learn."""

    def __init__(self, content: bytes, manifest: Manifest) -> None:
        self._estimator = load_estimator(content)
        # By their place: the manifest may have the labels of an encoder.
        classes = map(plain, np.asarray(self._estimator.classes_).tolist())
        self._index_of = dict(zip(classes, range(len(manifest.labels)), strict=True))

    def run(self, features: NDArray[np.float32]) -> Outcome:
        found = scores(self._estimator, features).astype(np.float32)
        labels = map(plain, self._estimator.predict(features).tolist())
        indices = np.array([self._index_of[label] for label in labels], dtype=np.int64)
        return Outcome(found, indices)


def _canonical(raw: bytes) -> bytes:
    """The same archive, with objects numbered in order and a fixed date."""
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        files = {info.filename: archive.read(info) for info in archive.infolist()}
    schema = json.loads(files.pop("schema.json"))
    numbers: dict[str, int] = {}
    names: dict[str, str] = {}

    def visit(node: Any) -> None:
        if isinstance(node, dict):
            if "__id__" in node:
                node["__id__"] = numbers.setdefault(str(node["__id__"]), len(numbers) + 1)
            if node.get("file") in files:
                stem, dot, suffix = node["file"].partition(".")
                number = numbers.setdefault(stem, len(numbers) + 1)
                names[node["file"]] = f"{number}{dot}{suffix}"
                node["file"] = names[node["file"]]
            for child in node.values():
                visit(child)
        elif isinstance(node, list):
            for child in node:
                visit(child)

    visit(schema)
    ordered = {names[old]: files[old] for old in names}
    ordered["schema.json"] = json.dumps(schema, separators=(",", ":")).encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in ordered.items():
            archive.writestr(zipfile.ZipInfo(name, _FIXED_DATE), content, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()
