"""Reading what describes a version or an extractor: JSON that follows a schema, and its digest."""

import hashlib
import json
from collections.abc import Collection, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from errors import ArtifactError, first_line

Model = TypeVar("Model", bound=BaseModel)


def parsed(model: type[Model], text: bytes, what: str) -> tuple[Model, dict[str, Any]]:
    """What a file says, and its fields as its JSON has them.

    ``what``: the file, for the ArtifactError that says why it does not follow schema 1.
    """
    try:
        return model.model_validate_json(text), json.loads(text)
    except ValidationError as error:
        raise ArtifactError(f"{what} does not follow schema 1: {fault_of(error)}.") from error
    except (ValueError, RecursionError) as error:
        raise ArtifactError(f"{what} does not follow schema 1: {first_line(error)}.") from error


def fault_of(error: ValidationError) -> str:
    """The first thing that is wrong, for a sentence: where, and what would be right."""
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"]) or "the file"
    return f"{where}: {first['msg'].lower()}"


def digest(fields: Mapping[str, Any], without: Collection[str]) -> str:
    """SHA-256 of the fields' JSON, in one form whatever their order, without some of them."""
    kept = {name: value for name, value in fields.items() if name not in without}
    canonical = json.dumps(kept, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()
