"""Follows the operations of a pickle without running them, to find the names that it imports."""

import pickletools
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

_JOBLIB_ARRAY: Final = "joblib.numpy_pickle.NumpyArrayWrapper"
_TEXT: Final = ("STRING", "UNICODE", "UNICODE8")
_MARK: Final = object()


def escaped(text: str) -> str:
    """The text cut to 200 characters, with control characters, which act on terminals, escaped."""
    shown = text if text.isprintable() else text.encode("unicode_escape").decode()
    return shown if len(shown) <= 200 else f"{shown[:199]}…"


class _Import(NamedTuple):
    name: str


class _Instance(NamedTuple):
    of: str


class ArrayFollowsError(Exception):
    """Raised where the bytes of an array follow, which are not operations."""


class PickleMachine:
    """Pickle's stack and memo, with only what names can be made of; everything else is None.

    ``imports``: the names so far, in order. ``computed``: whether the file computes one of them.
    """

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
                    raise ArrayFollowsError
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
        self.imports.setdefault(escaped(full))

    def _pop_to_mark(self) -> list[object]:
        items: list[object] = []
        while (item := self._stack.pop()) is not _MARK:
            items.append(item)
        return items[::-1]

    def _note_version(self, items: Sequence[object]) -> None:
        for key, value in zip(items[::2], items[1::2], strict=False):
            if key == "_sklearn_version" and isinstance(value, str):
                self.sklearn_version = self.sklearn_version or escaped(value)
