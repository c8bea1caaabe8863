"""Keys as lines of a file, one JSON object each, for servers without a database."""

import json
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from stat import S_ISREG
from typing import Final

from errors import KeysError
from records.key import Key, fields_of, key_of

# A key has some 300 bytes.
_MAX_BYTES: Final = 16 * 1024 * 1024


def read_keys(path: Path) -> list[Key]:
    """The keys of a file; empty lines and those that begin with # say nothing.

    Raises KeysError, in one sentence that repeats nothing of the file, if any line is wrong.
    """
    lines = _text(path).splitlines()
    keys: dict[str, Key] = {}
    digests: set[bytes] = set()
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            key = key_of(json.loads(line))
        except (json.JSONDecodeError, RecursionError):
            raise KeysError(f"{path}, line {number}: it is not JSON.") from None
        except KeysError as error:
            raise KeysError(f"{path}, line {number}: {error}.") from None
        if key.name in keys or key.digest in digests:
            raise KeysError(f"{path}, line {number}: an earlier line has the same name or hash.")
        keys[key.name] = key
        digests.add(key.digest)
    return list(keys.values())


def write_keys(path: Path, keys: Sequence[Key]) -> None:
    """Replace the file, whole or not at all, readable by its owner only. Raises KeysError."""
    text = "".join(json.dumps(fields_of(key)) + "\n" for key in keys)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, part = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            if path.exists():
                # Whoever may read it now, such as a container's user, still may.
                Path(part).chmod(path.stat().st_mode & 0o777)
            Path(part).replace(path)
        except BaseException:
            Path(part).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise KeysError(f"{path} cannot be written: {error.strerror or error}.") from None


def _text(path: Path) -> str:
    try:
        status = path.stat()
        if not S_ISREG(status.st_mode):
            raise KeysError(f"{path} is not a regular file: put a line for each key into one.")
        if status.st_size > _MAX_BYTES:
            raise KeysError(f"{path} has {status.st_size:,} bytes; the limit is {_MAX_BYTES:,}.")
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise KeysError(f"{path} cannot be read: {error.strerror or error}.") from None
    except UnicodeDecodeError:
        raise KeysError(f"{path} is not text in UTF-8.") from None
