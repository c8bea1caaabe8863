"""What is taken of a pickle that holds more than a classifier."""

from collections import namedtuple
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import LabelEncoder, StandardScaler

from errors import PickleError
from models.offline.entries import find

X = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
WORDS = np.array(["cat", "cat", "dog", "dog"])
ENCODER = LabelEncoder().fit(WORDS)
MODEL = LogisticRegression().fit(X, ENCODER.transform(WORDS))
OTHER = LogisticRegression().fit(X, [1, 0, 1, 0])
SCALER = StandardScaler().fit(X)
Pair = namedtuple("Pair", "clf names")  # noqa: PYI024 - as people pickle them


@pytest.mark.parametrize(
    ("held", "taken"),
    [
        ({"model": MODEL, "encoder": ENCODER}, "model"),
        ((ENCODER, MODEL), '"1"'),
        ([MODEL, ENCODER, "notes"], '"0"'),
        (Pair(MODEL, ENCODER), "clf"),
        ({"best": {"clf": MODEL}, "meta": {"le": ENCODER}}, '"best.clf"'),
        ({"model": MODEL, "same": MODEL, "encoder": ENCODER}, "model"),
    ],
)
def test_an_encoders_words_become_the_labels(held: Any, taken: str) -> None:
    found = find(held, "some.pickle")
    assert found.thing is MODEL
    assert found.labels == ("cat", "dog")
    assert found.said.startswith(f"Taken: {taken}, a LogisticRegression with the labels of ")


def test_a_classifier_alone_is_taken_as_it_is() -> None:
    assert find(MODEL, "some.pickle").said == ""


def test_an_encoder_of_the_classes_themselves_changes_nothing() -> None:
    named = LogisticRegression().fit(X, WORDS)
    found = find({"model": named, "encoder": ENCODER}, "some.pickle")
    assert (found.thing, found.labels) == (named, None)


def test_an_encoder_gives_the_labels_of_the_classes_that_were_seen() -> None:
    three = LabelEncoder().fit(["ant", "cat", "dog"])
    some = LogisticRegression().fit(X, [0, 0, 2, 2])
    assert find((some, three), "some.pickle").labels == ("ant", "dog")


def test_a_pipeline_with_its_own_scaler_beside_it_is_taken() -> None:
    whole = make_pipeline(SCALER, MODEL)
    assert find({"pipeline": whole, "scaler": SCALER}, "some.pickle").thing is whole


@pytest.mark.parametrize(
    ("held", "reason"),
    [
        ({"a": MODEL, "b": OTHER}, r"several classifiers \(a, b\): choose one with --entry, such"),
        ({"clf": MODEL, "scaler": SCALER}, r"make_pipeline\(scaler, clf\)"),
        ({"clf": MODEL, "le": LabelEncoder().fit(["one"])}, "does not fit the classes"),
        ({"clf": MODEL, "a": ENCODER, "b": LabelEncoder().fit(["x", "y"])}, "several LabelEnc"),
        ({"weights": [1, 2]}, r"without a fitted .* it holds weights \(list\)"),
        ({"clf": LogisticRegression()}, "contains a dict without a fitted"),
        ((), "it holds nothing"),
    ],
)
def test_what_is_not_certain_is_refused(held: Any, reason: str) -> None:
    with pytest.raises(PickleError, match=reason):
        find(held, "some.pickle")


def test_an_entry_is_chosen() -> None:
    found = find({"a": MODEL, "b": OTHER}, "some.pickle", "b")
    assert found.thing is OTHER
    with pytest.raises(PickleError, match="no classifier at 'c'"):
        find({"a": MODEL, "b": OTHER}, "some.pickle", "c")
    with pytest.raises(PickleError, match="leave out --entry"):
        find(MODEL, "some.pickle", "a")
