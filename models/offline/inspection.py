"""What a file with an estimator would run when it is loaded, whichever format it has."""

import zipfile
from pathlib import Path
from typing import Final

from errors import PickleError
from models.offline.pickle_report import PickleReport, inspect

_SCHEMA: Final = "schema.json"
_POINTER: Final = b"version https://git-lfs.github.com/"


def inspect_file(path: Path) -> PickleReport:
    """Nothing is loaded. Raises PickleError for a file that is none of a classifier."""
    # What is no regular file is refused by whoever reads it; here a pipe would hold us up.
    if path.is_file():
        if is_skops(path):
            # It imports scikit-learn, which a pickle's list of names does not need.
            from models.offline.skops_file import inspect_skops

            return inspect_skops(path)
        _refuse_pointer(path)
    return inspect(path)


def is_skops(path: Path) -> bool:
    """Whether it is a ZIP archive with a schema, as skops writes them."""
    try:
        with zipfile.ZipFile(path) as archive:
            return _SCHEMA in archive.namelist()
    except (OSError, ValueError, zipfile.BadZipFile):
        return False


def _refuse_pointer(path: Path) -> None:
    try:
        with path.open("rb") as file:
            begins = file.read(len(_POINTER))
    except OSError:
        return
    if begins == _POINTER:
        raise PickleError(
            f"{path.name} is a pointer of Git LFS to the file, not the file: fetch it with `git "
            "lfs pull`, or download the repository with `hf download`."
        )
