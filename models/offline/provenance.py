"""Whether what another version of scikit-learn made answers here as it did there.

A pickle holds attributes, not code. AdaBoost of 1.3.2 had 46.3 % of the digits right there and has
24.7 % by 1.9.1, and no comparison with the reloaded estimator can show that.
"""

import inspect
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import sklearn
from sklearn.base import BaseEstimator

from errors import PickleError
from models.offline.boosters import check_release, library_of, saved_by
from models.offline.proven import INSTALLED, PROVEN

# What a parameter had that meant no choice, where a later version no longer has the parameter.
_NO_CHOICE: Final = (None, "auto", "warn", "deprecated", "auto_deprecated")
_NODES: Final = 200_000


class Foreign(NamedTuple):
    """The name of an estimator's class, and the scikit-learn that saved it."""

    kind: str
    version: str


def foreign(caught: Sequence[warnings.WarningMessage]) -> tuple[Foreign, ...]:
    """What scikit-learn warned of while it loaded a pickle."""
    found: dict[Foreign, None] = {}
    for warning in caught:
        version = getattr(warning.message, "original_sklearn_version", None)
        if isinstance(version, str):
            kind = getattr(warning.message, "estimator_name", "an estimator")
            found[Foreign(str(kind), version)] = None
    return tuple(found)


def check_proven(name: str, estimator: Any, made: Sequence[Foreign]) -> None:
    """Raise PickleError unless all of it was found to answer alike in both versions."""
    here = sklearn.__version__
    for kind, version in made:
        minor = _minor(version)
        if minor == _minor(here):
            continue
        known = PROVEN.get(minor, frozenset()) if _minor(here) == INSTALLED else frozenset()
        if kind not in known:
            raise PickleError(
                f"{name} has a {kind} of scikit-learn {version}, and {here} is installed here, "
                f"where it may answer differently: {_ways_out(version)}."
            )
    for part in parts(estimator) if made else ():
        gone = _gone(part)
        if gone is not None:
            version = getattr(part, "_sklearn_version", made[0].version)
            raise PickleError(
                f"{name} has a {type(part).__name__} of scikit-learn {version} with "
                f"{gone[0]}={gone[1]!r}, which {here} here no longer has, so that it may answer "
                f"differently: {_ways_out(str(version))}."
            )


def check_releases(path: Path, estimator: Any) -> None:
    """Raise PickleError unless the release that is here saved each booster in the estimator."""
    boosters = [part for part in parts(estimator) if library_of(part) is not None]
    if boosters:
        check_release(path.name, boosters, saved_by(path))


def _ways_out(version: str) -> str:
    return (
        f"add --with-scikit-learn {version} to convert it by that version, or --check with what "
        "the original says of some images"
    )


def _minor(version: str) -> str:
    return ".".join(version.split(".")[:2])


def _gone(estimator: BaseEstimator) -> tuple[str, Any] | None:
    """A parameter with a choice that the class here does not have, and its value."""
    if not type(estimator).__module__.startswith("sklearn."):
        return None
    known = _parameters(type(estimator))
    for parameter, value in vars(estimator).items():
        if parameter.startswith("_") or parameter.endswith("_") or parameter in known:
            continue
        if not isinstance(value, str | None) or value in _NO_CHOICE:
            continue
        return parameter, value
    return None


def _parameters(kind: type) -> set[str]:
    """What is given to it, and what it gives to the classes that it is made of: the loss of a
    perceptron, which nobody chooses."""
    found: set[str] = set()
    for one in kind.__mro__:
        made = vars(one).get("__init__")
        if made is not None and one.__module__.startswith("sklearn."):
            found.update(inspect.signature(made).parameters)
    return found


def parts(root: Any) -> Iterator[Any]:
    """All estimators that are reached from one, and boosters."""
    seen: set[int] = set()
    waiting = [root]
    while waiting and len(seen) < _NODES:
        thing = waiting.pop()
        if id(thing) in seen:
            continue
        seen.add(id(thing))
        if isinstance(thing, BaseEstimator) or library_of(thing) is not None:
            yield thing
            waiting.extend(vars(thing).values())
        elif isinstance(thing, dict):
            waiting.extend(thing.values())
        elif isinstance(thing, list | tuple):
            waiting.extend(thing)
        elif isinstance(thing, np.ndarray) and thing.dtype.hasobject:
            waiting.extend(thing.ravel().tolist())
        elif hasattr(thing, "__dict__") and type(thing).__module__.startswith("sklearn."):
            waiting.extend(vars(thing).values())
