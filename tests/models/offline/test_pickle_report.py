import os
import pickle
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from errors import PickleError
from models.offline.pickle_report import MAX_IMPORTS, inspect
from tests.models.offline.pickled import DATA, PROTOCOLS, pickled, written


class Hostile:
    """Touches a file when it is unpickled."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.canary}",)


def test_a_users_classifier_is_listed_without_being_loaded() -> None:
    report = inspect(DATA / "clf.pickle")
    assert report.imports == (
        "sklearn.svm._classes.SVC",
        "numpy.core.multiarray._reconstruct",
        "numpy.ndarray",
        "numpy.dtype",
    )
    assert (report.kind, report.sklearn_version, report.size) == ("pickle", "1.5.2", 307_404)
    assert report.complete
    assert report.note is None


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_hostile_example_is_hostile(tmp_path: Path, protocol: int) -> None:
    canary = tmp_path / "canary"
    pickle.loads(pickle.dumps(Hostile(canary), protocol=protocol))
    assert canary.exists()


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_call_is_listed_and_not_made(tmp_path: Path, protocol: int) -> None:
    canary = tmp_path / "canary"
    report = inspect(pickled(tmp_path, {"model": Hostile(canary)}, protocol))
    assert "posix.system" in report.imports
    assert not canary.exists()


@pytest.mark.parametrize(
    "content",
    [
        b"(S'touch CANARY'\nios\nsystem\n.",
        b"(cos\nsystem\nS'touch CANARY'\no.",
        b"cos\nsystem\n(S'touch CANARY'\ntR.",
        b"\x80\x04\x8c\x02os\x8c\x06system\x93(S'touch CANARY'\ntR.",
        b"\x80\x04\x8c\x02os\x94\x8c\x06system\x940h\x00h\x01\x93(S'touch CANARY'\ntR.",
        b"\x80\x04\x8c\x06systemq\x050\x8c\x02osh\x05\x93(S'touch CANARY'\ntR.",
        b"\x80\x04\x8c\x02os20\x8c\x06system\x93(S'touch CANARY'\ntR.",
        b"S'os'\nS'system'\n\x93(S'touch CANARY'\ntR.",
        b"U\x02osT\x06\0\0\0system\x93(S'touch CANARY'\ntR.",
    ],
    ids=["inst", "obj", "global", "stack", "memo", "memo out of order", "dup", "text", "bytes"],
)
def test_a_call_made_in_another_way_is_listed_and_not_made(tmp_path: Path, content: bytes) -> None:
    canary = tmp_path / "canary"
    path = written(tmp_path, content.replace(b"CANARY", bytes(canary)))
    report = inspect(path)
    assert report.imports == ("os.system",)
    assert report.complete
    assert not canary.exists()
    pickle.loads(path.read_bytes())
    assert canary.exists()


def test_a_name_that_is_computed_is_shown_as_unknown(tmp_path: Path) -> None:
    # str("os") is what it imports `system` from.
    content = b"\x80\x04cbuiltins\nstr\n(S'os'\ntR\x8c\x06system\x93."
    assert pickle.loads(content) is os.system
    report = inspect(written(tmp_path, content))
    assert report.imports == ("builtins.str", "?.system")
    assert not report.complete
    assert report.note == "it computes some of the names that it imports, shown as ?"


def test_a_name_cannot_rewrite_the_screen(tmp_path: Path) -> None:
    report = inspect(written(tmp_path, b"cos\n\x1b[2Ksystem\n."))
    assert report.imports == (r"os.\x1b[2Ksystem",)


def test_more_imports_than_any_classifier_has_are_refused(tmp_path: Path) -> None:
    content = b"".join(b"cos\nname%d\n" % number for number in range(MAX_IMPORTS + 2))
    with pytest.raises(PickleError, match="has more than 1000 imports"):
        inspect(written(tmp_path, content + b"."))


@pytest.mark.parametrize("length", [1, 2, 100, 3_000, 307_403])
def test_a_truncated_pickle_is_refused(tmp_path: Path, length: int) -> None:
    path = written(tmp_path, (DATA / "clf.pickle").read_bytes()[:length])
    with pytest.raises(PickleError, match=r"^some\.pickle is a truncated pickle; "):
        inspect(path)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (b"hello there", "is not a pickle"),
        (b"\x89PNG\r\n\x1a\n", "is not a pickle"),
        (b"PK\x03\x04....", "is a ZIP archive, as skops and PyTorch write them"),
        (b"0.", "is not a pickle"),
        (b"h\x05.", "is not a pickle"),
        (b"I" + b"9" * 5_000 + b"\n.", "is not a pickle"),
        (b"\x80\x04\x8e" + b"\xff" * 8 + b".", "is not a pickle"),
        (b"\x80\x04\x8e" + b"\xff" * 5 + bytes(3) + b".", "is a truncated pickle"),
    ],
)
def test_what_is_not_a_pickle_is_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    with pytest.raises(PickleError) as caught:
        inspect(written(tmp_path, content))
    assert str(caught.value).startswith(f"some.pickle {reason}")


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PickleError, match=r"nowhere\.pickle cannot be read: No such file"):
        inspect(tmp_path / "nowhere.pickle")


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=60), st.sampled_from([b"", b"\x80\x04", b"cos\nsystem\n", b"(ios\nf\n"]))
def test_random_bytes_are_inspected_or_refused(
    tmp_path_factory: pytest.TempPathFactory, tail: bytes, start: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "random.pickle"
    path.write_bytes(start + tail)
    try:
        report = inspect(path)
    except PickleError:
        return
    assert report.size == len(start + tail)


def test_a_file_is_read_for_a_limited_time(tmp_path: Path) -> None:
    path = written(tmp_path, pickle.dumps(list(range(10_000))))
    report = inspect(path, seconds=-1)
    assert not report.complete
    assert report.note == "it takes more than -1 s to read, and was read in part"
    assert inspect(path).complete


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(PickleError, match="it is not a regular file"):
        inspect(tmp_path / "pipe")
