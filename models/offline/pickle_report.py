"""What a pickle would import, found by reading its operations without running them."""

import mmap
import pickletools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final, Literal, NamedTuple, cast

from errors import PickleError

MAX_OPERATIONS: Final = 5_000_000
"""They take five seconds to read; gradient boosting of 1000 rounds, 10 classes has 1.3 million."""

MAX_IMPORTS: Final = 1_000

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
_JOBLIB_ARRAY: Final = "joblib.numpy_pickle.NumpyArrayWrapper"
_TEXT: Final = ("STRING", "UNICODE", "UNICODE8")
_TRUNCATED: Final = ("exhausted", "not enough data", "no newline found", "remain")
_MARK: Final = object()


@dataclass(frozen=True)
class PickleReport:
    """What a file would import, found without loading it.

    ``imports`` are the names as the file spells them, ``module.name`` in order of appearance;
    whatever it calls is one of them or reached through them. A name that the file computes is shown
    as ``?``. If ``complete`` is False, there are more that could not be listed; ``note`` says why.
    """

    kind: Literal["pickle", "joblib", "compressed"]
    size: int
    imports: tuple[str, ...]
    sklearn_version: str | None
    complete: bool
    note: str | None


def inspect(path: Path) -> PickleReport:
    """Read the file's operations without running them (pickle protocols 0 to 5).

    Raises PickleError for a file that is not a pickle, is truncated, or has more operations or
    imports than any classifier.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            # Mapped, so that a wrong length does not allocate memory for bytes that are not there.
            content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if size else b""
            return _inspect(content, path.name, size)
    except OSError as error:
        raise PickleError(f"{path} cannot be read: {error.strerror or error}.") from error


def printable(text: str) -> str:
    """The text cut to 200 characters, with control characters, which act on terminals, escaped."""
    escaped = text if text.isprintable() else text.encode("unicode_escape").decode()
    return escaped if len(escaped) <= 200 else f"{escaped[:199]}…"


class _Import(NamedTuple):
    name: str


class _Instance(NamedTuple):
    of: str


class _ArrayFollowsError(Exception):
    """The bytes of an array follow, which are not operations."""


class _Machine:
    """Pickle's stack and memo, with only what names can be made of; everything else is None."""

    def __init__(self) -> None:
        self.imports: dict[str, None] = {}
        self.sklearn_version: str | None = None
        self.computed = False
        self._stack: list[object] = []
        self._memo: dict[int, object] = {}

    def step(self, operation: pickletools.OpcodeInfo, argument: Any) -> None:
        match operation.name:
            case "GLOBAL":
                self._push_import(*argument.split(" ", 1))
            case "STACK_GLOBAL":
                name, module = self._stack.pop(), self._stack.pop()
                self._push_import(module, name)
            case "INST":
                self._pop_to_mark()
                self._push_import(*argument.split(" ", 1))
            case "EXT1" | "EXT2" | "EXT4":
                self._push_import("copyreg", f"extension {argument}")
            case "MEMOIZE":
                self._memo[len(self._memo)] = self._stack[-1]
            case "PUT" | "BINPUT" | "LONG_BINPUT":
                self._memo[argument] = self._stack[-1]
            case "GET" | "BINGET" | "LONG_BINGET":
                self._stack.append(self._memo[argument])
            case "DUP":
                self._stack.append(self._stack[-1])
            case "MARK":
                self._stack.append(_MARK)
            case "NEWOBJ":
                self._stack.pop()
                made = self._stack.pop()
                self._stack.append(_Instance(made.name) if isinstance(made, _Import) else None)
            case "BUILD":
                self._stack.pop()
                if self._stack[-1] == _Instance(_JOBLIB_ARRAY):
                    raise _ArrayFollowsError
            case "SETITEM":
                value, key = self._stack.pop(), self._stack.pop()
                self._note_version([key, value])
            case "SETITEMS":
                self._note_version(self._pop_to_mark())
            case "DICT":
                self._note_version(self._pop_to_mark())
                self._stack.append(None)
            case _:
                self._step_by_table(operation, argument)

    def _step_by_table(self, operation: pickletools.OpcodeInfo, argument: Any) -> None:
        taken = len(operation.stack_before)
        if pickletools.markobject in operation.stack_before:
            self._pop_to_mark()
            taken = operation.stack_before.index(pickletools.markobject)
        for _ in range(taken):
            self._stack.pop()
        text = argument if operation.name.endswith(_TEXT) else None
        self._stack.extend([text] * len(operation.stack_after))

    def _push_import(self, module: object, name: object) -> None:
        literal = isinstance(module, str) and isinstance(name, str)
        self.computed |= not literal
        full = ".".join(part if isinstance(part, str) else "?" for part in (module, name))
        self._stack.append(_Import(full))
        self.imports.setdefault(printable(full))

    def _pop_to_mark(self) -> list[object]:
        items: list[object] = []
        while (item := self._stack.pop()) is not _MARK:
            items.append(item)
        return items[::-1]

    def _note_version(self, items: Sequence[object]) -> None:
        for key, value in zip(items[::2], items[1::2], strict=False):
            if key == "_sklearn_version" and isinstance(value, str):
                self.sklearn_version = self.sklearn_version or printable(value)


def _inspect(content: mmap.mmap | bytes, name: str, size: int) -> PickleReport:
    if not content:
        raise PickleError(f"{name} is empty, so it is not a pickle of a classifier.")
    if content[:4] == b"PK\x03\x04":
        raise PickleError(
            f"{name} is a ZIP archive, as skops and PyTorch write them, not a pickle."
        )
    if content[:6].startswith(_COMPRESSED):
        note = "it is compressed, so its imports cannot be listed without loading it"
        return PickleReport("compressed", size, (), None, complete=False, note=note)
    machine = _Machine()
    kind: Literal["pickle", "joblib"] = "pickle"
    incomplete: str | None = None
    try:
        for count, (operation, argument, _) in enumerate(
            pickletools.genops(cast("IO[bytes]", content))
        ):
            if count >= MAX_OPERATIONS or len(machine.imports) > MAX_IMPORTS:
                raise PickleError(
                    f"{name} has more than {MAX_OPERATIONS} operations or {MAX_IMPORTS} imports, "
                    "so it is not a pickle of a classifier."
                )
            machine.step(operation, argument)
        if machine.computed:
            incomplete = "it computes some of the names that it imports, shown as ?"
    except _ArrayFollowsError:
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
