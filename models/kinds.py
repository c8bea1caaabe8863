"""Whether a name in a store is a model's or an extractor's: both are folders there, so no name is
both."""

from collections.abc import Sequence
from pathlib import Path

from errors import ModelError
from models.extractor import is_extractor
from models.names import RULE, is_name, no_model
from models.roots import version_paths


def is_of_extractor(name: str, roots: Sequence[Path]) -> bool:
    return any(is_extractor(path) for root in roots for path in version_paths(root, name))


def check_model_name(name: str, roots: Sequence[Path]) -> None:
    """Raise ModelError for a name that no new version may have."""
    if not is_name(name):
        raise ModelError(f"Model name {name!r} is not valid: {RULE}.")
    if is_of_extractor(name, roots):
        raise ModelError(f"{name!r} is an extractor's name; give the model another.")


def lacking(name: str, roots: Sequence[Path]) -> str:
    """The sentence for a model of which the stores have no version."""
    if is_of_extractor(name, roots):
        return f"{name!r} is an extractor and no model; see: python -m features show {name}"
    return no_model(name)
