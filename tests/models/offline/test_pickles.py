import os
import pickle
import re
import warnings
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
import sklearn
from hypothesis import given, settings
from hypothesis import strategies as st
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
from models.offline.pickle_report import MAX_IMPORTS
from models.offline.pickles import inspect, load

DATA = Path(__file__).parents[2] / "data"
DIGITS = ImageSpec.parse("digits")
PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)
X = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
Y = np.array([0, 0, 1, 1])
SAME_TYPE = "they must be all integers or all strings."
ONE_LABEL = "but only one label per image is supported."


class Hostile:
    """Touches a file when it is unpickled."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.canary}",)


class Stated:
    """Pickled as an SVC with the given state."""

    def __init__(self, state: dict[str, Any]) -> None:
        self.state = state

    def __reduce__(self) -> tuple[Any, ...]:
        return SVC, (), self.state


def written(tmp_path: Path, content: bytes) -> Path:
    path = tmp_path / "some.pickle"
    path.write_bytes(content)
    return path


def pickled(tmp_path: Path, thing: Any, protocol: int | None = None) -> Path:
    return written(tmp_path, pickle.dumps(thing, protocol=protocol))


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


def test_a_users_classifier_is_listed_without_being_loaded() -> None:
    report = inspect(DATA / "clf.pickle")
    assert report.imports == (
        "sklearn.svm._classes.SVC",
        "numpy.core.multiarray._reconstruct",
        "numpy.ndarray",
        "numpy.dtype",
    )
    assert (report.kind, report.sklearn_version, report.size) == ("pickle", "1.5.2", 307_404)
    assert report.complete
    assert report.note is None


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
def test_the_hostile_example_is_hostile(tmp_path: Path, protocol: int) -> None:
    canary = tmp_path / "canary"
    pickle.loads(pickle.dumps(Hostile(canary), protocol=protocol))
    assert canary.exists()


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_call_is_listed_and_not_made(tmp_path: Path, protocol: int) -> None:
    canary = tmp_path / "canary"
    report = inspect(pickled(tmp_path, {"model": Hostile(canary)}, protocol))
    assert "posix.system" in report.imports
    assert not canary.exists()


@pytest.mark.parametrize(
    "content",
    [
        b"(S'touch CANARY'\nios\nsystem\n.",
        b"(cos\nsystem\nS'touch CANARY'\no.",
        b"cos\nsystem\n(S'touch CANARY'\ntR.",
        b"\x80\x04\x8c\x02os\x8c\x06system\x93(S'touch CANARY'\ntR.",
        b"\x80\x04\x8c\x02os\x94\x8c\x06system\x940h\x00h\x01\x93(S'touch CANARY'\ntR.",
        b"\x80\x04\x8c\x06systemq\x050\x8c\x02osh\x05\x93(S'touch CANARY'\ntR.",
        b"\x80\x04\x8c\x02os20\x8c\x06system\x93(S'touch CANARY'\ntR.",
        b"S'os'\nS'system'\n\x93(S'touch CANARY'\ntR.",
        b"U\x02osT\x06\0\0\0system\x93(S'touch CANARY'\ntR.",
    ],
    ids=["inst", "obj", "global", "stack", "memo", "memo out of order", "dup", "text", "bytes"],
)
def test_a_call_made_in_another_way_is_listed_and_not_made(tmp_path: Path, content: bytes) -> None:
    canary = tmp_path / "canary"
    path = written(tmp_path, content.replace(b"CANARY", bytes(canary)))
    report = inspect(path)
    assert report.imports == ("os.system",)
    assert report.complete
    assert not canary.exists()
    pickle.loads(path.read_bytes())
    assert canary.exists()


def test_a_name_that_is_computed_is_shown_as_unknown(tmp_path: Path) -> None:
    # str("os") is what it imports `system` from.
    content = b"\x80\x04cbuiltins\nstr\n(S'os'\ntR\x8c\x06system\x93."
    assert pickle.loads(content) is os.system
    report = inspect(written(tmp_path, content))
    assert report.imports == ("builtins.str", "?.system")
    assert not report.complete
    assert report.note == "it computes some of the names that it imports, shown as ?"


def test_a_name_cannot_rewrite_the_screen(tmp_path: Path) -> None:
    report = inspect(written(tmp_path, b"cos\n\x1b[2Ksystem\n."))
    assert report.imports == (r"os.\x1b[2Ksystem",)


def test_more_imports_than_any_classifier_has_are_refused(tmp_path: Path) -> None:
    content = b"".join(b"cos\nname%d\n" % number for number in range(MAX_IMPORTS + 2))
    with pytest.raises(PickleError, match="more than 5000000 operations or 1000 imports"):
        inspect(written(tmp_path, content + b"."))


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


@pytest.mark.parametrize("length", [1, 2, 100, 3_000, 307_403])
def test_a_truncated_pickle_is_refused(tmp_path: Path, length: int) -> None:
    path = written(tmp_path, (DATA / "clf.pickle").read_bytes()[:length])
    with pytest.raises(PickleError, match=r"^some\.pickle is a truncated pickle; "):
        inspect(path)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (b"hello there", "is not a pickle"),
        (b"\x89PNG\r\n\x1a\n", "is not a pickle"),
        (b"PK\x03\x04....", "is a ZIP archive, as skops and PyTorch write them"),
        (b"0.", "is not a pickle"),
        (b"h\x05.", "is not a pickle"),
        (b"I" + b"9" * 5_000 + b"\n.", "is not a pickle"),
        (b"\x80\x04\x8e" + b"\xff" * 8 + b".", "is not a pickle"),
        (b"\x80\x04\x8e" + b"\xff" * 5 + bytes(3) + b".", "is a truncated pickle"),
    ],
)
def test_what_is_not_a_pickle_is_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    with pytest.raises(PickleError) as caught:
        inspect(written(tmp_path, content))
    assert str(caught.value).startswith(f"some.pickle {reason}")


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PickleError, match=r"nowhere\.pickle cannot be read: No such file"):
        inspect(tmp_path / "nowhere.pickle")


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=60), st.sampled_from([b"", b"\x80\x04", b"cos\nsystem\n", b"(ios\nf\n"]))
def test_random_bytes_are_inspected_or_refused(
    tmp_path_factory: pytest.TempPathFactory, tail: bytes, start: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "random.pickle"
    path.write_bytes(start + tail)
    try:
        report = inspect(path)
    except PickleError:
        return
    assert report.size == len(start + tail)


@pytest.mark.parametrize(
    ("thing", "reason"),
    [
        ({"model": 1}, "contains a dict, not a fitted scikit-learn classifier."),
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
            f"contains a DecisionTreeClassifier with labels of type bool; {SAME_TYPE}",
        ),
        (
            DecisionTreeClassifier().fit(X, Y.astype(float)),
            f"contains a DecisionTreeClassifier with labels of type float; {SAME_TYPE}",
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
        f"saved by an unknown version of scikit-learn, and {sklearn.__version__} is installed here."
    )


def test_a_class_that_scikit_learn_no_longer_has_is_blamed_on_versions(tmp_path: Path) -> None:
    content = as_made_by(without_frames(SVC().fit(X, Y)), "0.18")
    text = refusal(written(tmp_path, content.replace(b"\nSVC\n", b"\nVCS\n")))
    assert "cannot be loaded (" in text
    assert text.endswith(
        f"; it was saved by scikit-learn 0.18, and {sklearn.__version__} is installed here."
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
