"""What a folder says of the estimator in it: MLflow's ``MLmodel``, or the ``config.json`` of skops.

Sources: https://mlflow.org/docs/latest/ml/model/ and, for repositories of the Hugging Face Hub,
https://skops.readthedocs.io/en/v0.13/modules/classes.html (``hub_utils``).
"""

import json
import math
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml

from errors import SourceError
from models.files import read_regular
from models.offline.pickle_machine import escaped

MLMODEL: Final = "MLmodel"
CONFIG: Final = "config.json"

MAX_TEXT_BYTES: Final = 4 * 2**20

# PyYAML takes some seconds for so many; those of 4,096 named columns have 200,000.
_MAX_MLMODEL: Final = 2**20

REQUIREMENTS: Final = ("requirements.txt", "python_env.yaml", "conda.yaml")
"""Where MLflow writes which libraries a model needs, the plainest first."""

_SUFFIXES: Final = (".skops", ".pkl", ".pickle", ".joblib")
_VERSION: Final = re.compile(
    r"scikit-learn\s*={1,3}\s*(\d+(?:\.\d+){1,2}(?:\.post\d+)?)\s*(?:$|[;#'\"])"
)
_PART: Final = re.compile(r"[^\x00-\x1f\x7f/\\]{1,255}")
_MAX_COLUMNS: Final = 1024 * 1024 * 3

# MLflow's types of a column that is one number.
_NUMBERS: Final = ("integer", "long", "float", "double", "boolean")


class Described(NamedTuple):
    """``file``: that of the estimator, within the folder; ``scikit_learn``: which saved it;
    ``features``: as many as it takes; ``spec``: the image spec that its maker wrote down."""

    file: str
    scikit_learn: str | None = None
    features: int | None = None
    spec: str | None = None


def read_mlmodel(text: str, other: Callable[[str], str | None]) -> Described:
    """An ``MLmodel`` file; ``other``: the text of another file of the folder, None if it is not
    there. Raises SourceError if it describes no estimator of scikit-learn."""
    if len(text) > _MAX_MLMODEL:
        raise SourceError(f"Its MLmodel file is larger than {_MAX_MLMODEL:,} characters.")
    try:
        # Not the loader in C, which a hundred thousand brackets crash.
        fields = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError):
        fields = None
    flavors = fields.get("flavors") if type(fields) is dict else None
    if type(flavors) is not dict:
        raise SourceError("Its MLmodel file is not one of MLflow: log the model again.")
    flavor = flavors.get("sklearn")
    if type(flavor) is not dict:
        known = ", ".join(
            escaped(str(one)) for one in list(flavors)[:5] if one != "python_function"
        )
        raise SourceError(
            f"Its flavors are {known or 'Python code'}, and one of scikit-learn is needed: log the "
            "classifier by mlflow.sklearn.log_model, which takes XGBClassifier and the like too."
        )
    if flavor.get("code"):
        raise SourceError(
            "It was logged with code of its own, which is not run here: log a classifier that "
            "needs none."
        )
    file = flavor.get("pickled_model")
    version = _version(flavor.get("sklearn_version"))
    found = iter(REQUIREMENTS)
    while version is None and (name := next(found, None)) is not None:
        version = _required(other(name) or "")
    signature = fields.get("signature")
    inputs = signature.get("inputs") if type(signature) is dict else None
    metadata = fields.get("metadata")
    spec = metadata.get("image_spec") if type(metadata) is dict else None
    return Described(
        _within(file), version, _of_signature(inputs), spec if type(spec) is str else None
    )


def read_config(text: str) -> Described | None:
    """A ``config.json`` of the Hub; None if it is not one of skops. Raises SourceError."""
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError):
        raise SourceError("Its config.json is not JSON: download the repository again.") from None
    about = fields.get("sklearn") if type(fields) is dict else None
    if type(about) is not dict:
        return None
    model = about.get("model")
    file = model.get("file") if type(model) is dict else None
    environment = about.get("environment")
    needs = environment if type(environment) is list else []
    versions = (_required(one) for one in needs[:1000] if type(one) is str)
    columns = about.get("columns")
    return Described(
        _within(file),
        next((one for one in versions if one), None),
        len(columns) if type(columns) is list and columns else None,
    )


def read_folder(folder: Path) -> tuple[Path, Described]:
    """The estimator's file in a folder of MLflow or of the Hub. Raises SourceError."""
    if (folder / MLMODEL).exists():
        described = read_mlmodel(
            _text(folder, MLMODEL), lambda name: _text(folder, name) if _is(folder, name) else None
        )
        return _file(folder, described.file), described
    if (folder / CONFIG).exists():
        config = read_config(_text(folder, CONFIG))
        if config is not None:
            return _file(folder, config.file), config
    files = sorted(_estimators(folder))
    if len(files) != 1:
        held = ", ".join(escaped(one.name) for one in files[:5]) or "none of these"
        raise SourceError(
            f"{folder} needs one of MLflow's MLmodel, a config.json of skops, or one file that "
            f"ends with {', '.join(_SUFFIXES)}; it has {held}: name the file itself."
        )
    return files[0], Described(files[0].name)


def _estimators(folder: Path) -> Iterator[Path]:
    for one in folder.iterdir():
        if one.suffix in _SUFFIXES and one.is_file():
            yield one


def _is(folder: Path, name: str) -> bool:
    return (folder / name).is_file()


def _text(folder: Path, name: str) -> str:
    try:
        content = read_regular(_file(folder, name).resolve(), MAX_TEXT_BYTES)
    except OSError as error:
        raise SourceError(f"{folder / name} cannot be read: {error.strerror or error}.") from None
    return content.decode("utf-8", "replace")


def _file(folder: Path, name: str) -> Path:
    """A file of the folder, wherever links lead within it; the Hub's cache keeps files beside."""
    root = folder.resolve()
    roots = [root]
    if root.parent.name == "snapshots":
        roots.append(root.parent.parent / "blobs")
    path = folder / name
    there = path.resolve()
    if not any(there.is_relative_to(one) for one in roots):
        raise SourceError(f"{path} leads out of the folder, to {there}: copy that file into it.")
    if not there.is_file():
        raise SourceError(f"{path} is not there, and the folder says that the classifier is in it.")
    return path


def _within(file: Any) -> str:
    """The path of a file in its folder. Raises SourceError."""
    parts = file.split("/") if type(file) is str else []
    if not parts or not all(_PART.fullmatch(one) and one not in (".", "..") for one in parts):
        raise SourceError(
            "It does not say in which file of the folder its classifier is, or names one outside: "
            f"{escaped(str(file))!r}."
        )
    return "/".join(parts)


def _version(value: Any) -> str | None:
    found = _VERSION.search(f"scikit-learn=={value}")
    return found[1] if found else None


def _required(text: str) -> str | None:
    for line in text.splitlines():
        found = _VERSION.search(line)
        if found:
            return found[1]
    return None


def _of_signature(inputs: Any) -> int | None:
    """How many numbers an input has, by MLflow's description of columns or of one tensor."""
    try:
        columns = json.loads(inputs) if type(inputs) is str else None
    except (ValueError, RecursionError):
        return None
    if type(columns) is not list or not all(type(one) is dict for one in columns):
        return None
    if len(columns) == 1 and columns[0].get("type") == "tensor":
        tensor = columns[0].get("tensor-spec")
        shape = tensor.get("shape") if type(tensor) is dict else None
        sides = shape[1:] if type(shape) is list else []
        if sides and len(sides) < 5 and all(type(side) is int and side > 0 for side in sides):
            return min(math.prod(sides), _MAX_COLUMNS)
        return None
    if columns and all(one.get("type") in _NUMBERS for one in columns):
        return len(columns)
    return None
