"""A classifier in a file of skops: read without pickle, and only of types that are known.

https://skops.readthedocs.io/en/stable/persistence.html
"""

import io
import json
import re
import zipfile
from pathlib import Path
from typing import Any, Final

import skops.io

from errors import PickleError, first_line
from models.files import MAX_ARRAY_BYTES, check_arrays, check_members, read_regular
from models.offline.estimator import REVIEWED_TYPES
from models.offline.pickle_machine import escaped
from models.offline.pickle_report import PickleReport

_SCHEMA: Final = "schema.json"
_MAX_SCHEMA_BYTES: Final = 256 * 2**20
_MAX_MEMBERS: Final = 200_000
_MOST_SHOWN: Final = 100

# Arrays of zeros shrink to a thousandth; a classifier is not made of those.
_MAX_RATIO: Final = 200
_ALWAYS: Final = 64 * 2**20

_VERSION: Final = re.compile(
    rb'"_sklearn_version":\s*\{[^{}]{0,300}?"content":\s*"\\"([0-9A-Za-z.+]{1,20})\\""'
)


def inspect_skops(path: Path) -> PickleReport:
    """What it has besides harmless types, as ``imports``; nothing is loaded. Raises PickleError."""
    content, schema = _content(path)
    unknown = tuple(escaped(one) for one in _unknown(content, path.name))
    found = _VERSION.search(schema)
    return PickleReport(
        "skops",
        len(content),
        unknown[:_MOST_SHOWN],
        found[1].decode() if found else None,
        complete=len(unknown) <= _MOST_SHOWN,
        note=None if len(unknown) <= _MOST_SHOWN else f"{len(unknown) - _MOST_SHOWN} more",
    )


def load_skops(path: Path, *, trust: bool) -> Any:
    """What is in the file. ``trust``: types that were not reviewed are loaded too.

    Raises PickleError for a file that is not one of skops, and whatever loading raises.
    """
    content, _ = _content(path)
    unknown = _unknown(content, path.name)
    if unknown and not trust:
        raise PickleError(
            f"{path.name} has types that are not known to be harmless "
            f"({', '.join(map(escaped, unknown[:3]))}): if you trust where it comes from, add "
            "--trust."
        )
    return skops.io.loads(content, trusted=[*unknown, *sorted(REVIEWED_TYPES)])


def _unknown(content: bytes, name: str) -> list[str]:
    """Types that neither skops trusts nor we have reviewed."""
    try:
        return sorted(set(skops.io.get_untrusted_types(data=content)) - REVIEWED_TYPES)
    except Exception as error:
        raise PickleError(
            f"{name} cannot be read as a file of skops ({escaped(first_line(error))}): save it "
            "anew with skops.io.dump."
        ) from error


def _content(path: Path) -> tuple[bytes, bytes]:
    """The file, and the schema in it, once its sizes were found in order."""
    try:
        content = read_regular(path.resolve())
    except OSError as error:
        raise PickleError(f"{path} cannot be read: {error.strerror or error}.") from error
    limit = min(MAX_ARRAY_BYTES, _ALWAYS + _MAX_RATIO * len(content))
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            check_members(archive, limit)
            schema = _schema(archive)
            check_arrays(archive)
    except (KeyError, OSError, ValueError, EOFError, RecursionError, zipfile.BadZipFile) as error:
        raise PickleError(
            f"{path.name} cannot be read as a file of skops ({escaped(first_line(error))}): save "
            "it anew with skops.io.dump."
        ) from error
    return content, schema


def _schema(archive: zipfile.ZipFile) -> bytes:
    """Raises ValueError if it, or the number of parts, is beyond that of any classifier."""
    if len(archive.infolist()) > _MAX_MEMBERS:
        raise ValueError(f"it has more than {_MAX_MEMBERS:,} parts")
    if archive.getinfo(_SCHEMA).file_size > _MAX_SCHEMA_BYTES:
        raise ValueError("its schema is too large")
    schema = archive.read(_SCHEMA)
    if type(json.loads(schema)) is not dict:
        raise ValueError("its schema is not a JSON object")
    return schema
