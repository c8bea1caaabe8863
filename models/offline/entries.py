"""The classifier in what a pickle holds: alone, or beside a label encoder in a dict or tuple."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import LabelEncoder

from errors import ConversionError, PickleError
from models.manifest import Label
from models.offline.classes import label_values
from models.offline.pickle_machine import escaped

_DEPTH = 3
_MAX_ENTRIES = 1_000


@dataclass(frozen=True)
class Entry:
    """``thing``: the classifier. ``labels``: in the order of its classes, if they are not the
    classes themselves. ``said``: which entries were taken, if there was a choice."""

    thing: Any
    labels: tuple[Label, ...] | None = None
    said: str = ""


def find(held: Any, name: str, key: str | None = None) -> Entry:
    """What to serve of a file's content; ``key``: the entry that the user chose.

    Raises PickleError if there are several classifiers, or a transformer that the classifier may
    need first.
    """
    if not isinstance(held, Mapping | list | tuple | np.ndarray) or _is_classifier(held):
        if key is not None:
            raise PickleError(f"{name} has no entries, so leave out --entry.")
        return Entry(held)
    entries = dict(_entries(held, ""))
    classifiers = {path: one for path, one in entries.items() if _is_classifier(one)}
    if key is not None:
        if key not in classifiers:
            raise PickleError(f"{name} has no classifier at {key!a}; it holds {_listed(entries)}.")
        classifiers = {key: classifiers[key]}
    distinct = {id(one): path for path, one in reversed(classifiers.items())}
    if not distinct:
        raise PickleError(
            f"{name} contains a {type(held).__name__} without a fitted scikit-learn classifier; it "
            f"holds {_listed(entries)}."
        )
    if len(distinct) > 1:
        raise PickleError(
            f"{name} holds several classifiers ({', '.join(map(_shown, classifiers))}): choose one "
            f"with --entry, such as --entry {_shown(next(iter(classifiers)))}."
        )
    (path,) = distinct.values()
    classifier = classifiers[path]
    _refuse_transformers(name, path, classifier, entries)
    labels, source = _labels(name, classifier, entries)
    of_labels = f" with the labels of {_shown(source)}" if source else ""
    said = f"Taken: {_shown(path)}, a {type(classifier).__name__}{of_labels}."
    return Entry(classifier, labels, said)


def _entries(held: Any, path: str, depth: int = 0) -> Iterator[tuple[str, Any]]:
    if isinstance(held, Mapping):
        pairs = [(str(key), value) for key, value in held.items()]
    elif isinstance(held, np.ndarray) and held.dtype != object:
        return
    else:
        names = getattr(held, "_fields", None) or range(len(held))
        pairs = [(str(key), value) for key, value in zip(names, held, strict=False)]
    for key, value in pairs[:_MAX_ENTRIES]:
        full = f"{path}.{key}" if path else key
        yield full, value
        if depth + 1 < _DEPTH and isinstance(value, Mapping | list | tuple) and len(value) < 100:
            yield from _entries(value, full, depth + 1)


def _is_classifier(thing: Any) -> bool:
    """Of scikit-learn's kind, which an encoder or scaler is not."""
    if isinstance(thing, type) or not hasattr(thing, "fit"):
        return False
    try:
        return hasattr(thing, "predict") and getattr(thing, "classes_", None) is not None
    except Exception:  # noqa: BLE001 - a property of another version may raise anything
        return hasattr(type(thing), "predict")


def _refuse_transformers(name: str, path: str, classifier: Any, entries: Mapping[str, Any]) -> None:
    own = _parts(classifier)
    for other, thing in entries.items():
        beside = hasattr(thing, "transform") and hasattr(thing, "n_features_in_")
        if not beside or isinstance(thing, type) or any(thing is part for part in own):
            continue
        if isinstance(thing, LabelEncoder) or thing is classifier:
            continue
        kind = type(thing).__name__
        raise PickleError(
            f"{name} holds the {kind} {_shown(other)} beside the classifier {_shown(path)}, and "
            "does not say whether images go through it first: save both as one, with "
            f"make_pipeline({escaped(other)}, {escaped(path)}), or the classifier alone."
        )


def _parts(classifier: Any) -> list[Any]:
    """The steps of a pipeline, of a search too."""
    classifier = getattr(classifier, "best_estimator_", classifier)
    if not isinstance(classifier, Pipeline):
        return [classifier]
    return [part for _, step in classifier.steps for part in _parts(step)]


def _labels(
    name: str, classifier: Any, entries: Mapping[str, Any]
) -> tuple[tuple[Label, ...] | None, str]:
    encoders = {
        path: thing
        for path, thing in entries.items()
        if isinstance(thing, LabelEncoder) and hasattr(thing, "classes_")
    }
    if not encoders:
        return None, ""
    classes = np.asarray(classifier.classes_)
    fitting: dict[tuple[Label, ...], str] = {}
    for path, encoder in encoders.items():
        known = np.asarray(encoder.classes_)
        if np.array_equal(known, classes):
            continue
        encoded = np.issubdtype(classes.dtype, np.integer)
        if encoded and classes.min() >= 0 and classes.max() < len(known):
            try:
                fitting.setdefault(label_values(known[classes]), path)
            except ConversionError as error:
                raise PickleError(f"{name} has an encoder that cannot be used: {error}") from error
        elif len(encoders) == 1:
            raise PickleError(
                f"{name} holds a LabelEncoder, {_shown(path)}, of {len(known)} labels, which does "
                "not fit the classes of its classifier: save those that belong together."
            )
    if len(fitting) > 1:
        raise PickleError(
            f"{name} holds several LabelEncoders that fit its classifier "
            f"({', '.join(map(_shown, fitting.values()))}): save it with the one for its labels."
        )
    return next(iter(fitting.items()), (None, ""))


def _listed(entries: Mapping[str, Any]) -> str:
    shown = [f"{_shown(path)} ({type(one).__name__})" for path, one in list(entries.items())[:8]]
    more = len(entries) - len(shown)
    return (", ".join(shown) or "nothing") + (f" and {more} more" if more > 0 else "")


def _shown(path: str) -> str:
    return escaped(path) if path.isidentifier() else f'"{escaped(path)}"'
