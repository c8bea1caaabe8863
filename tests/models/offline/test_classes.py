"""A classifier's classes as labels."""

import json
from typing import Any

import numpy as np
import pytest

from errors import ConversionError
from models.offline.classes import label_values

COMPOSED, DECOMPOSED = "caf\u00e9", "cafe\u0301"


@pytest.mark.parametrize(
    ("classes", "labels"),
    [
        (np.array([3, 5], np.int8), (3, 5)),
        (np.array(["a", "b"]), ("a", "b")),
        (np.array(["a", "b"], object), ("a", "b")),
    ],
)
def test_labels_as_json_has_them(classes: Any, labels: tuple[Any, ...]) -> None:
    values = label_values(classes)
    assert values == labels
    assert json.loads(json.dumps(values)) == list(labels)


@pytest.mark.parametrize("classes", [[0.5, 1.0], [True, False], [[1], [2]], [b"a", b"b"]])
def test_labels_that_json_does_not_have(classes: Any) -> None:
    with pytest.raises(ConversionError, match="must be an integer or a string"):
        label_values(classes)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_integral_floats_are_integers(dtype: Any) -> None:
    assert label_values(np.array([0, 8, -1], dtype)) == (0, 8, -1)


def test_strings_are_in_form_c() -> None:
    assert label_values(np.array([DECOMPOSED, "x"])) == (COMPOSED, "x")


def test_two_classes_that_are_one_in_form_c_are_refused() -> None:
    with pytest.raises(ConversionError, match="are the same in Unicode's form C: merge the two"):
        label_values([COMPOSED, DECOMPOSED])
