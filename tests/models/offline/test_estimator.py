"""Estimators as skops: the same each time, and only of types that were reviewed."""

import subprocess
import sys
import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skops.io
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier

from errors import ArtifactError, ConversionError
from models.offline.estimator import dump_estimator, load_estimator
from train.data_size import DataSize
from train.recipes import RECIPES

ROOT = Path(__file__).parents[3]
IMAGES, TARGETS = (array[:100] for array in load_digits(n_class=3, return_X_y=True))
FEATURES = IMAGES.astype(np.float32)


class Unreviewed(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A classifier of the user's own, whose code we have not read."""

    def fit(self, _: NDArray[np.float32], targets: NDArray[Any]) -> "Unreviewed":
        self.classes_ = np.unique(targets)
        return self


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_every_recipe_comes_back_as_it_was(name: str) -> None:
    estimator = RECIPES[name].build(0, DataSize.of(TARGETS)).fit(FEATURES, TARGETS)
    again = load_estimator(dump_estimator(estimator))
    np.testing.assert_array_equal(again.predict_proba(FEATURES), estimator.predict_proba(FEATURES))


@pytest.mark.parametrize("name", ["svc", "forest"])
def test_the_same_training_gives_the_same_bytes(name: str) -> None:
    first, second = (
        RECIPES[name].build(0, DataSize.of(TARGETS)).fit(FEATURES, TARGETS) for _ in range(2)
    )
    assert dump_estimator(first) == dump_estimator(second)


def test_an_unreviewed_type_is_not_saved() -> None:
    with pytest.raises(ConversionError, match=r"Unreviewed, which was not reviewed"):
        dump_estimator(Unreviewed().fit(FEATURES, TARGETS))


def test_an_unreviewed_type_is_not_loaded() -> None:
    content = skops.io.dumps(Unreviewed().fit(FEATURES, TARGETS))
    with pytest.raises(ArtifactError, match=r"estimator\.skops cannot be loaded"):
        load_estimator(content)


@pytest.mark.parametrize("content", [b"", b"no archive"])
def test_what_is_not_an_archive_is_not_loaded(content: bytes) -> None:
    with pytest.raises(ArtifactError, match="cannot be loaded"):
        load_estimator(content)


def test_the_archive_has_no_time() -> None:
    estimator = RandomForestClassifier(2, random_state=0).fit(FEATURES, TARGETS)
    with zipfile.ZipFile(BytesIO(dump_estimator(estimator))) as archive:
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_serving_an_estimator_needs_no_onnx() -> None:
    script = (
        "import sys, models.offline.estimator; print(sys.modules.keys() & {'onnx', 'skl2onnx'})"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout == "set()\n"
