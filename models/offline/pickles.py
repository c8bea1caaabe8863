"""Loads a scikit-learn classifier from a pickle, joblib or skops file.

A pickle is a program. ``inspect_file`` reads it without running it; ``load`` runs it, and is only
for files from a trusted source.
"""

import pickle
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import joblib
import numpy as np
import sklearn
from sklearn.base import is_classifier
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from errors import ConversionError, PickleError, first_line
from internals import count_features
from models.manifest import Label
from models.offline.answers import predicted
from models.offline.boosters import library_of, missing
from models.offline.classes import label_values
from models.offline.entries import find
from models.offline.inspection import inspect_file
from models.offline.pickle_machine import escaped
from models.offline.pickle_report import PickleReport
from models.offline.provenance import Foreign, foreign, parts
from models.offline.skops_file import load_skops

# Its own warning is a line of C++ with the time.
_BY_XGBOOST: Final = "you are loading a serialized model (like pickle"


@dataclass(frozen=True)
class LoadedPickle:
    """A fitted classifier that has made one prediction, and the warnings of loading it.

    ``labels``: in the order of its classes, if an encoder beside it has them. ``said``: which
    entries of the file were taken. ``foreign``: what another scikit-learn made of it.
    """

    estimator: Any
    report: PickleReport
    warnings: tuple[str, ...]
    labels: tuple[Label, ...] | None = None
    said: str = ""
    foreign: tuple[Foreign, ...] = ()


def load(
    path: Path, entry: str | None = None, *, trust: bool = True, saved_by: str | None = None
) -> LoadedPickle:
    """Load the file, and check that it is a fitted classifier.

    A pickle RUNS whatever it contains. A file of skops does not, unless it has types that are not
    known to be harmless, which are loaded with ``trust`` only. ``saved_by``: the scikit-learn that
    is said to have saved it, where the file itself does not say.

    A fitted classifier has ``classes_`` of integers or strings in one dimension and
    ``n_features_in_``, and predicts a class for a vector of zeros. It may be one of the entries of
    a dict, list or tuple: ``entry`` chooses it, if there are several. Raises PickleError otherwise,
    with both versions of scikit-learn if they may be the cause.
    """
    report = inspect_file(path)
    if report.sklearn_version is None and saved_by is not None:
        report = replace(report, sklearn_version=escaped(saved_by))
    if report.runs_code and not trust:
        raise PickleError(f"{path.name} can run code when it is loaded: add --trust.")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        held = _unpickle(path, report, trust)
        made = foreign(caught)
        if report.sklearn_version is None and made:
            report = replace(report, sklearn_version=escaped(made[0].version))
        found = find(held, path.name, entry)
        estimator = found.thing
        for part in parts(estimator):
            if library_of(part) == "catboost":
                count_features(part)
        _check(estimator, path.name, report)
    return LoadedPickle(estimator, report, _texts(caught), found.labels, found.said, made)


def _unpickle(path: Path, report: PickleReport, trust: bool) -> Any:
    try:
        if report.kind == "skops":
            return load_skops(path, trust=trust)
        if report.kind == "pickle":
            with path.open("rb") as file:
                return pickle.load(file)  # noqa: S301 - the caller trusts it
        return joblib.load(path)
    except ModuleNotFoundError as error:
        library = missing(error)
        if library is not None:
            raise PickleError(f"{path.name} needs {library}") from error
        # scikit-learn's compiled modules call themselves _loss and the like.
        cause = _versions(report) if str(error.name).startswith(("sklearn", "_")) else ""
        raise PickleError(
            f"{path.name} needs the module {error.name}, which is not installed here{cause}."
        ) from error
    except PickleError:
        raise
    except Exception as error:
        raise PickleError(
            f"{path.name} cannot be loaded ({_reason(error)}){_versions(report)}."
        ) from error


def _check(estimator: Any, name: str, report: PickleReport) -> None:
    kind = type(estimator).__name__
    if isinstance(estimator, type) or not (
        hasattr(estimator, "fit") and hasattr(estimator, "predict")
    ):
        what = f"the class {estimator.__name__}" if isinstance(estimator, type) else f"a {kind}"
        raise PickleError(f"{name} contains {what}, not a fitted scikit-learn classifier.")
    try:
        classifies = is_classifier(estimator)
        check_is_fitted(estimator)
    except NotFittedError as error:
        raise PickleError(f"{name} contains a {kind} that has not been fitted.") from error
    except Exception as error:
        raise PickleError(
            f"{name} contains a {kind} that this version of scikit-learn does not recognize as "
            f"an estimator ({_reason(error)}){_versions(report)}."
        ) from error
    if not classifies:
        raise PickleError(f"{name} contains a {kind}, which is not a classifier.")
    n_features = getattr(estimator, "n_features_in_", None)
    if not isinstance(n_features, int | np.integer) or n_features < 1:
        raise PickleError(
            f"{name} contains a {kind} without its number of features "
            f"(n_features_in_){_versions(report)}."
        )
    if getattr(estimator, "classes_", None) is None:
        raise PickleError(
            f"{name} contains a {kind} without its classes (classes_){_versions(report)}."
        )
    labels = _labels(estimator, name)
    try:
        prediction = predicted(estimator, np.zeros((1, int(n_features)), np.float32))
    except Exception as error:
        raise PickleError(
            f"{name} contains a {kind} that loads but cannot predict "
            f"({_reason(error)}){_versions(report)}."
        ) from error
    if np.shape(prediction) != (1,) or prediction[0] not in labels:
        raise PickleError(f"{name} contains a {kind} that predicts none of its own classes.")


def _labels(estimator: Any, name: str) -> list[Any]:
    kind = type(estimator).__name__
    classes = estimator.classes_
    if isinstance(classes, list) or np.ndim(classes) != 1:
        raise PickleError(
            f"{name} contains a {kind} with several outputs, but only one label per image is "
            "supported."
        )
    labels: list[Any] = np.asarray(classes).tolist()
    if len(labels) < 2:
        raise PickleError(f"{name} contains a {kind} with fewer than two classes.")
    try:
        label_values(classes)
    except ConversionError as error:
        raise PickleError(f"{name} contains a {kind} that cannot be used: {error}") from error
    return labels


def _texts(caught: Sequence[warnings.WarningMessage]) -> tuple[str, ...]:
    """One sentence for each type of estimator and version; the first line of other warnings."""
    texts: dict[str, None] = {}
    for warning in caught:
        message = warning.message
        original = getattr(message, "original_sklearn_version", None)
        if original is not None:
            made = getattr(message, "estimator_name", "An estimator")
            ours = getattr(message, "current_sklearn_version", "another")
            texts[f"{made} was saved by scikit-learn {original} and loaded by {ours}."] = None
        elif _BY_XGBOOST in str(message):
            texts["A model was saved by an older XGBoost than the one that loaded it."] = None
        elif str(message):
            texts[escaped(str(message).strip().splitlines()[0])] = None
    return tuple(texts)


def _versions(report: PickleReport) -> str:
    """To append to an error that another scikit-learn may have caused: which, and the way out."""
    made = report.sklearn_version
    if made == sklearn.__version__:
        return ""
    made_with = f"scikit-learn {made}" if made else "an unknown version of scikit-learn"
    return (
        f"; it was saved by {made_with}, and {sklearn.__version__} is installed here; add "
        f"--with-scikit-learn {made or 'VERSION'}, which converts it by that version"
    )


def _reason(error: Exception) -> str:
    return escaped(first_line(error))
