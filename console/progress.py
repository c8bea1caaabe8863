"""How far an export is: a small file that its process writes and any worker reads."""

import json
import re
import time
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

_SECONDS: Final = 0.2
_KEPT_SECONDS: Final = 3600.0
_NAME: Final = re.compile("[0-9a-f]{16}")
_MOST_BYTES: Final = 200


class StoppedError(Exception):
    """Whoever asked for the export does not want it any more."""


class Reached(NamedTuple):
    """``done`` of ``whole`` predictions; ``ended``: the file is on its way to whoever asked."""

    done: int
    whole: int
    ended: bool = False


class Progress:
    """Called with how much is done; writes that down some times a second. Raises StoppedError once
    nobody wants the export any more."""

    def __init__(self, path: Path, whole: int) -> None:
        self._path, self._whole = path, whole
        self._next = 0.0
        self(0)

    def __call__(self, done: int) -> None:
        if done < self._whole and time.monotonic() < self._next:
            return
        self._next = time.monotonic() + _SECONDS
        if _stop_file(self._path).exists():
            raise StoppedError("The export was stopped.")
        _write(self._path, Reached(done, self._whole))


def progress_file(home: Path, name: str) -> Path | None:
    """Where the export of that name, which its page has chosen, says how far it is; None if it is
    no such name."""
    if _NAME.fullmatch(name) is None:
        return None
    folder = home / "console"
    with suppress(OSError):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder / f"export-{name}.json"


def reached(path: Path) -> Reached | None:
    """What the file says; None if there is none yet."""
    try:
        with path.open("rb") as file:
            done, whole, ended = json.loads(file.read(_MOST_BYTES))
        return Reached(int(done), int(whole), bool(ended))
    except (OSError, ValueError, TypeError):
        return None


def end(path: Path) -> None:
    """Say that it is over, for as long as its page may ask, and forget what is older."""
    found = reached(path) or Reached(0, 0)
    _write(path, found._replace(ended=True))
    with suppress(OSError):
        _stop_file(path).unlink(missing_ok=True)
    oldest = time.time() - _KEPT_SECONDS
    with suppress(OSError):
        for other in path.parent.glob("export-*.*"):
            if other.stat().st_mtime < oldest:
                other.unlink()


def stop(path: Path) -> None:
    """Have the export end. A closed connection does not say that: clients may close their side and
    still wait for an answer."""
    found = reached(path)
    if found is None or not found.ended:
        with suppress(OSError):
            _stop_file(path).touch()


def _stop_file(path: Path) -> Path:
    return path.with_suffix(".stop")


def _write(path: Path, found: Reached) -> None:
    part = path.with_name(f".{path.name}.part")
    # An export that cannot say how far it is goes on all the same.
    with suppress(OSError):
        part.write_text(json.dumps(found), encoding="utf-8")
        part.replace(path)
