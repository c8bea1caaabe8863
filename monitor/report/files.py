"""Files that are there whole or not at all."""

import os
import tempfile
from pathlib import Path

from errors import MonitorError


def is_folder(path: Path) -> bool:
    """Raises MonitorError for a path that cannot be."""
    try:
        return path.is_dir()
    except OSError as error:
        raise MonitorError(f"{path} cannot be written: {error.strerror}.") from None


def write_file(path: Path, text: str) -> None:
    """The whole text or, if that fails, the file as it was; raises MonitorError."""
    try:
        if path.exists() and not path.is_file():
            # A device or a pipe would be replaced by a file.
            raise MonitorError(f"{path} cannot be written: it is no ordinary file.")
        handle, part = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
            # Whoever may read the folder is meant to read the report.
            Path(part).chmod(0o644)
            Path(part).replace(path)
        except BaseException:
            Path(part).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise MonitorError(f"{path} cannot be written: {error.strerror or error}.") from None
