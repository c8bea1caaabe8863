"""What CONTRIBUTING.md says about tests, as far as their source shows it."""

import ast
from collections.abc import Callable
from functools import cache
from pathlib import Path

TESTS = Path(__file__).parent
WAITING = TESTS / "waiting.py"
CLOCKS = {"monotonic", "perf_counter", "process_time", "thread_time", "time", "time_ns"}


@cache
def nodes() -> list[tuple[Path, ast.AST]]:
    """Calls, imports and assertions of all files but the one that waits for the others."""
    kinds = (ast.Call, ast.Import, ast.ImportFrom, ast.Assert)
    return [
        (path, node)
        for path in sorted(TESTS.rglob("*.py"))
        if path != WAITING
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, kinds)
    ]


def found(wrong: Callable[[ast.AST], bool]) -> list[str]:
    """Where it is wrong."""
    return [
        f"{path.relative_to(TESTS)}:{getattr(node, 'lineno', 0)}"
        for path, node in nodes()
        if wrong(node)
    ]


def called(node: ast.AST) -> str:
    """The last part of what is called."""
    return ast.unparse(node.func).rpartition(".")[2] if isinstance(node, ast.Call) else ""


def sleeps(node: ast.AST) -> bool:
    """For some time: ``asyncio.sleep(0)`` only lets other tasks run."""
    return called(node) == "sleep" and "sleep(0)" not in ast.unparse(node)


def mocks(node: ast.AST) -> bool:
    return isinstance(node, ast.Import | ast.ImportFrom) and "mock" in ast.unparse(node)


def asserts_a_time(node: ast.AST) -> bool:
    return isinstance(node, ast.Assert) and any(called(part) in CLOCKS for part in ast.walk(node))


def test_nothing_sleeps() -> None:
    assert found(sleeps) == []


def test_nothing_is_mocked() -> None:
    assert found(mocks) == []


def test_no_time_is_asserted() -> None:
    assert found(asserts_a_time) == []
