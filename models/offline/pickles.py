"""Pickles: taking in a scikit-learn classifier that someone has as a pickle or joblib file.

A pickle is a program. ``inspect`` reads it without running it; ``load`` runs it, and is for files
whose origin is trusted.
"""

import pickle
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import sklearn
from sklearn.base import is_classifier
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from errors import PickleError
from models.offline.pickle_report import PickleReport, inspect, printable

__all__ = ["LoadedPickle", "PickleReport", "inspect", "load"]


@dataclass(frozen=True)
class LoadedPickle:
    """A fitted classifier that has answered once, and what was said while it was loaded."""

    estimator: Any
    report: PickleReport
    warnings: tuple[str, ...]


def load(path: Path) -> LoadedPickle:
    """Unpickles the file, which RUNS whatever it holds, and makes sure it is a fitted classifier.

    Fitted means: ``classes_`` of integers or strings in one dimension, ``n_features_in_``, and a
    prediction for a vector of zeros. Raises PickleError otherwise, with both versions of
    scikit-learn where they may be the cause.
    """
    report = inspect(path)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        estimator = _unpickle(path, report)
        report = _with_version(report, caught)
        _check(estimator, path.name, report)
    return LoadedPickle(estimator, report, _texts(caught))


def _unpickle(path: Path, report: PickleReport) -> Any:
    try:
        if report.kind == "pickle":
            with path.open("rb") as file:
                return pickle.load(file)  # noqa: S301  (the caller trusts it)
        return joblib.load(path)
    except ModuleNotFoundError as error:
        cause = _versions(report) if str(error.name).startswith("sklearn") else ""
        raise PickleError(
            f"{path.name} needs the module {error.name}, which is not installed here{cause}."
        ) from error
    except Exception as error:
        raise PickleError(
            f"{path.name} cannot be loaded ({_first_line(error)}){_versions(report)}."
        ) from error


def _check(estimator: Any, name: str, report: PickleReport) -> None:
    found = type(estimator).__name__
    if isinstance(estimator, type) or not (
        hasattr(estimator, "fit") and hasattr(estimator, "predict")
    ):
        what = f"the class {estimator.__name__}" if isinstance(estimator, type) else f"a {found}"
        raise PickleError(f"{name} holds {what}, not a fitted scikit-learn classifier.")
    try:
        classifies = is_classifier(estimator)
        check_is_fitted(estimator)
    except NotFittedError as error:
        raise PickleError(f"{name} holds a {found} that has not been fitted.") from error
    except Exception as error:
        raise PickleError(
            f"{name} holds a {found} that is no scikit-learn estimator as this version knows "
            f"them ({_first_line(error)}){_versions(report)}."
        ) from error
    if not classifies:
        raise PickleError(f"{name} holds a {found}, which is not a classifier.")
    n_features = getattr(estimator, "n_features_in_", None)
    if not isinstance(n_features, int | np.integer) or n_features < 1:
        raise PickleError(
            f"{name} holds a {found} that does not say how many features it takes "
            f"(n_features_in_){_versions(report)}."
        )
    if getattr(estimator, "classes_", None) is None:
        raise PickleError(
            f"{name} holds a {found} that does not say its classes (classes_){_versions(report)}."
        )
    labels = _labels(estimator, name)
    try:
        answer = np.asarray(estimator.predict(np.zeros((1, int(n_features)))))
    except Exception as error:
        raise PickleError(
            f"{name} holds a {found} that loads but cannot predict "
            f"({_first_line(error)}){_versions(report)}."
        ) from error
    if answer.shape != (1,) or answer[0] not in labels:
        raise PickleError(f"{name} holds a {found} that answers with none of its own classes.")


def _labels(estimator: Any, name: str) -> list[int] | list[str]:
    found = type(estimator).__name__
    classes = estimator.classes_
    if isinstance(classes, list) or np.ndim(classes) != 1:
        raise PickleError(
            f"{name} holds a {found} with several outputs, and one label per image is wanted."
        )
    labels: list[Any] = np.asarray(classes).tolist()
    if len(labels) < 2:
        raise PickleError(f"{name} holds a {found} with fewer than two classes.")
    if {type(label) for label in labels} not in ({int}, {str}):
        kinds = ", ".join(sorted({type(label).__name__ for label in labels}))
        raise PickleError(
            f"{name} holds a {found} whose labels are of type {kinds}, "
            "and all integers or all strings are wanted."
        )
    return labels


def _with_version(report: PickleReport, caught: Sequence[warnings.WarningMessage]) -> PickleReport:
    if report.sklearn_version is not None:
        return report
    for warning in caught:
        original = getattr(warning.message, "original_sklearn_version", None)
        if isinstance(original, str):
            return replace(report, sklearn_version=printable(original))
    return report


def _texts(caught: Sequence[warnings.WarningMessage]) -> tuple[str, ...]:
    """One sentence per kind of estimator and version, others by their first line."""
    texts: dict[str, None] = {}
    for warning in caught:
        message = warning.message
        original = getattr(message, "original_sklearn_version", None)
        if original is not None:
            made = getattr(message, "estimator_name", "An estimator")
            ours = getattr(message, "current_sklearn_version", "another")
            texts[f"{made} was made with scikit-learn {original} and is read by {ours}."] = None
        elif str(message):
            texts[printable(str(message).strip().splitlines()[0])] = None
    return tuple(texts)


def _versions(report: PickleReport) -> str:
    """What to add to a failure that another version of scikit-learn may be the cause of."""
    made = report.sklearn_version
    if made == sklearn.__version__:
        return ""
    made_with = f"scikit-learn {made}" if made else "an unknown version of scikit-learn"
    return f"; it was made with {made_with}, and {sklearn.__version__} is installed here"


def _first_line(error: Exception) -> str:
    text = str(error).strip() or type(error).__name__
    return printable(text.splitlines()[0].rstrip("."))
