import pickle
import re
import warnings
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
import sklearn
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from errors import PickleError
from images.decoding import read_pixels
from images.spec import ImageSpec
from models.offline.pickle_report import inspect
from models.offline.pickles import load
from tests.models.offline.pickled import DATA, PROTOCOLS, pickled, written

DIGITS = ImageSpec.parse("digits")
X = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
Y = np.array([0, 0, 1, 1])
OF_TYPE = "The classifier's labels are of type"
SAME_TYPE = "but a label must be an integer or a string."
ONE_LABEL = "but only one label per image is supported."


class Stated:
    """Pickled as an SVC with the given state."""

    def __init__(self, state: dict[str, Any]) -> None:
        self.state = state

    def __reduce__(self) -> tuple[Any, ...]:
        return SVC, (), self.state


def refusal(path: Path) -> str:
    with pytest.raises(PickleError) as caught:
        load(path)
    text = str(caught.value)
    assert text.endswith(".")
    assert "\n" not in text
    return text


def as_made_by(content: bytes, version: str) -> bytes:
    """The pickle with another version of scikit-learn recorded in it."""
    ours = sklearn.__version__.encode()
    short = len(ours).to_bytes() + ours
    assert content.count(b"\x8c" + short)
    text = version.encode()
    return content.replace(b"\x8c" + short, b"\x8c" + len(text).to_bytes() + text)


def without_frames(thing: Any) -> bytes:
    """Protocol 4 has lengths around everything; 3 with its strings made short has none."""
    content = pickle.dumps(thing, protocol=3)
    return re.sub(rb"X([\0-\x7f])\0\0\0", b"\x8c\\1", content)


def test_a_users_classifier_predicts_8_for_an_8() -> None:
    loaded = load(DATA / "clf.pickle")
    features = DIGITS.features(read_pixels((DATA / "digit8.jpg").read_bytes(), DIGITS))
    assert loaded.estimator.predict(features[None]).tolist() == [8]


def test_a_users_classifier_recognizes_digits() -> None:
    images, truth = load_digits(return_X_y=True)
    assert load(DATA / "clf.pickle").estimator.score(images, truth) > 0.97


def test_another_version_of_scikit_learn_is_reported() -> None:
    assert load(DATA / "clf.pickle").warnings == (
        f"SVC was saved by scikit-learn 1.5.2 and loaded by {sklearn.__version__}.",
    )


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    "estimator",
    [
        LogisticRegression(),
        make_pipeline(StandardScaler(), SVC()),
        DecisionTreeClassifier(),
    ],
    ids=lambda estimator: type(estimator).__name__,
)
def test_a_fitted_classifier_is_loaded_from_any_protocol(
    tmp_path: Path, protocol: int, estimator: Any
) -> None:
    path = pickled(tmp_path, estimator.fit(X, Y), protocol)
    loaded = load(path)
    assert loaded.report.complete
    assert loaded.report.sklearn_version == sklearn.__version__
    assert loaded.warnings == ()
    assert loaded.estimator.predict(X).tolist() == estimator.predict(X).tolist()


def test_a_classifier_may_have_strings_for_labels(tmp_path: Path) -> None:
    labels = np.array(["cat", "cat", "dog", "dog"], dtype=object)
    loaded = load(pickled(tmp_path, DecisionTreeClassifier().fit(X, labels)))
    assert loaded.estimator.classes_.tolist() == ["cat", "dog"]


def test_a_joblib_file_is_listed_up_to_its_first_array(tmp_path: Path) -> None:
    path = tmp_path / "some.joblib"
    joblib.dump(SVC().fit(X, Y), path)
    report = inspect(path)
    assert report.kind == "joblib"
    assert report.imports[0] == "sklearn.svm._classes.SVC"
    assert not report.complete
    assert "written by joblib" in str(report.note)
    assert load(path).estimator.predict(X).tolist() == Y.tolist()


@pytest.mark.parametrize("method", ["zlib", "gzip", "bz2", "xz", "lzma"])
def test_a_compressed_joblib_file_is_loaded_but_not_listed(tmp_path: Path, method: str) -> None:
    path = tmp_path / "some.joblib"
    joblib.dump(SVC().fit(X, Y), path, compress=(method, 3))
    report = inspect(path)
    assert (report.kind, report.imports, report.complete) == ("compressed", (), False)
    assert load(path).estimator.predict(X).tolist() == Y.tolist()


@pytest.mark.parametrize(
    ("thing", "reason"),
    [
        (
            {"model": 1},
            "contains a dict without a fitted scikit-learn classifier; it holds model (int).",
        ),
        (SVC, "contains the class SVC, not a fitted scikit-learn classifier."),
        (
            StandardScaler().fit(X),
            "contains a StandardScaler, not a fitted scikit-learn classifier.",
        ),
        (SVC(), "contains a SVC that has not been fitted."),
        (LinearRegression().fit(X, Y), "contains a LinearRegression, which is not a classifier."),
        (KMeans(2, n_init=1).fit(X), "contains a KMeans, which is not a classifier."),
        (
            KNeighborsClassifier(1).fit(X, np.stack([Y, Y], axis=1)),
            f"contains a KNeighborsClassifier with several outputs, {ONE_LABEL}",
        ),
        (
            DummyClassifier().fit(X, [3, 3, 3, 3]),
            "contains a DummyClassifier with fewer than two classes.",
        ),
        (
            DecisionTreeClassifier().fit(X, Y.astype(bool)),
            f"contains a DecisionTreeClassifier that cannot be used: {OF_TYPE} bool, {SAME_TYPE}",
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_not_a_fitted_classifier_is_refused(
    tmp_path: Path, thing: Any, reason: str
) -> None:
    assert refusal(pickled(tmp_path, thing)) == f"some.pickle {reason}"


def test_a_module_of_another_library_is_named(tmp_path: Path) -> None:
    path = written(tmp_path, b"cno_such_module\nClassifier\n.")
    assert refusal(path) == (
        "some.pickle needs the module no_such_module, which is not installed here."
    )


def test_a_module_that_scikit_learn_no_longer_has_is_blamed_on_versions(tmp_path: Path) -> None:
    text = refusal(written(tmp_path, b"csklearn.svm.classes\nSVC\n."))
    assert text.startswith("some.pickle needs the module sklearn.svm.classes, which")
    assert text.endswith(
        f"saved by an unknown version of scikit-learn, and {sklearn.__version__} is installed "
        "here; add --with-scikit-learn VERSION, which converts it by that version."
    )


def test_a_class_that_scikit_learn_no_longer_has_is_blamed_on_versions(tmp_path: Path) -> None:
    content = as_made_by(without_frames(SVC().fit(X, Y)), "0.18")
    text = refusal(written(tmp_path, content.replace(b"\nSVC\n", b"\nVCS\n")))
    assert "cannot be loaded (" in text
    assert text.endswith(
        f"; it was saved by scikit-learn 0.18, and {sklearn.__version__} is installed here; add "
        "--with-scikit-learn 0.18, which converts it by that version."
    )


@pytest.mark.parametrize(
    ("attribute", "reason"),
    [
        ("_n_support", "that loads but cannot predict"),
        ("n_features_in_", "without its number of features"),
        ("classes_", "without its classes"),
    ],
)
def test_an_estimator_of_an_old_version_that_lacks_an_attribute_is_refused(
    tmp_path: Path, attribute: str, reason: str
) -> None:
    estimator = SVC().fit(X, Y)
    delattr(estimator, attribute)
    text = refusal(written(tmp_path, as_made_by(without_frames(estimator), "0.20.4")))
    assert f"some.pickle contains a SVC {reason}" in text
    assert "it was saved by scikit-learn 0.20.4" in text


def test_an_answer_outside_its_classes_is_refused(tmp_path: Path) -> None:
    estimator = DummyClassifier(strategy="constant", constant=1).fit(X, Y)
    estimator.constant = np.array([[7]])
    estimator.classes_ = np.array([3, 4])
    estimator._strategy = "constant"
    assert "predicts none of its own classes" in refusal(pickled(tmp_path, estimator))


def test_warnings_while_loading_are_kept_and_not_shown(tmp_path: Path) -> None:
    content = as_made_by(without_frames(SVC().fit(X, Y)), "0.99")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loaded = load(written(tmp_path, content))
    assert loaded.report.sklearn_version == "0.99"
    assert loaded.warnings == (
        f"SVC was saved by scikit-learn 0.99 and loaded by {sklearn.__version__}.",
    )


def test_the_version_in_a_joblib_file_is_known_once_it_is_loaded(tmp_path: Path) -> None:
    estimator = load(DATA / "clf.pickle").estimator
    state: dict[str, Any] = estimator.__getstate__()
    old = Stated(state | {"_sklearn_version": "1.5.2"})
    path = tmp_path / "some.joblib"
    joblib.dump(old, path, compress=3)
    assert inspect(path).sklearn_version is None
    assert load(path).report.sklearn_version == "1.5.2"


def test_integral_floats_are_integers(tmp_path: Path) -> None:
    """As pandas reads a column of integers with a gap."""
    loaded = load(pickled(tmp_path, DecisionTreeClassifier().fit(X, Y.astype(float))))
    assert loaded.estimator.classes_.tolist() == [0.0, 1.0]
