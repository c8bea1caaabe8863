"""What a pickle would import, found by reading its operations without running them."""

import mmap
import pickletools
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, Literal, cast

from errors import PickleError
from models.files import open_regular, size_of
from models.offline.pickle_machine import ArrayFollowsError, PickleMachine

MAX_SECONDS: Final = 10.0
"""Gradient boosting of 1000 rounds and 10 classes takes one or two: a million operations each."""

MAX_IMPORTS: Final = 1_000

# Between two looks at the clock.
_OPERATIONS_PER_LOOK: Final = 1_000

_COMPRESSED: Final = (
    b"\x1f\x8b",
    b"x\x01",
    b"x\x5e",
    b"x\x9c",
    b"x\xda",
    b"BZh",
    b"\xfd7zXZ",
    b"]\0\0",
    b"\x04\x22\x4d\x18",
)
_TRUNCATED: Final = ("exhausted", "not enough data", "no newline found", "remain")


@dataclass(frozen=True)
class PickleReport:
    """What a file would import, found without loading it.

    ``imports`` are the names as the file spells them, ``module.name`` in order of appearance;
    whatever it calls is one of them or reached through them. A name that the file computes is shown
    as ``?``. If ``complete`` is False, there are more that could not be listed; ``note`` says why.
    """

    kind: Literal["pickle", "joblib", "compressed", "skops"]
    size: int
    imports: tuple[str, ...]
    sklearn_version: str | None
    complete: bool
    note: str | None

    @property
    def runs_code(self) -> bool:
        """Whether loading it could run what somebody has written: a pickle always does."""
        return self.kind != "skops" or bool(self.imports)


def inspect(path: Path, seconds: float = MAX_SECONDS) -> PickleReport:
    """Read the file's operations without running them (pickle protocols 0 to 5), for ``seconds``.

    Raises PickleError for a file that is not a pickle, is truncated, or has more imports than any
    classifier.
    """
    try:
        with open_regular(path.resolve(), sys.maxsize) as file:
            size = size_of(file)
            # Mapped, so that a wrong length does not allocate memory for bytes that are not there.
            content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if size else b""
            return _inspect(content, path.name, size, seconds)
    except OSError as error:
        raise PickleError(f"{path} cannot be read: {error.strerror or error}.") from error


def _inspect(content: mmap.mmap | bytes, name: str, size: int, seconds: float) -> PickleReport:
    if not content:
        raise PickleError(f"{name} is empty, so it is not a pickle of a classifier.")
    if content[:4] == b"PK\x03\x04":
        raise PickleError(
            f"{name} is a ZIP archive, as skops and PyTorch write them, not a pickle."
        )
    if content[:6].startswith(_COMPRESSED):
        note = "it is compressed, so its imports cannot be listed without loading it"
        return PickleReport("compressed", size, (), None, complete=False, note=note)
    machine = PickleMachine()
    kind: Literal["pickle", "joblib"] = "pickle"
    incomplete: str | None = None
    end = time.monotonic() + seconds
    try:
        for count, (operation, argument, _) in enumerate(
            pickletools.genops(cast("IO[bytes]", content))
        ):
            if len(machine.imports) > MAX_IMPORTS:
                raise PickleError(
                    f"{name} has more than {MAX_IMPORTS} imports, so it is not a pickle of a "
                    "classifier."
                )
            if count % _OPERATIONS_PER_LOOK == 0 and time.monotonic() > end:
                incomplete = f"it takes more than {seconds:g} s to read, and was read in part"
                break
            machine.step(operation, argument)
        if machine.computed and incomplete is None:
            incomplete = "it computes some of the names that it imports, shown as ?"
    except ArrayFollowsError:
        kind = "joblib"
        incomplete = "it was written by joblib, so imports after its first array cannot be listed"
    except (ValueError, IndexError, KeyError, OverflowError, MemoryError) as error:
        truncated = any(message in str(error) for message in _TRUNCATED)
        raise PickleError(
            f"{name} is {'a truncated pickle' if truncated else 'not a pickle'}; "
            "choose a scikit-learn classifier saved with pickle.dump or joblib.dump."
        ) from error
    return PickleReport(
        kind,
        size,
        tuple(machine.imports),
        machine.sklearn_version,
        complete=incomplete is None,
        note=incomplete,
    )
