"""Folders that are read by one thread, where one of them may not answer."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from models.reading import Reader
from tests.waiting import until

PATHS = [Path(name) for name in "abcde"]


class Disk:
    """Of which some folders answer only when told to."""

    def __init__(self) -> None:
        self.slow = {Path("b"), Path("d")}
        self.answers = threading.Event()
        self.read: list[Path] = []
        self.threads: set[int] = set()

    def __call__(self, path: Path) -> str:
        self.read.append(path)
        self.threads.add(threading.get_ident())
        if path in self.slow:
            assert self.answers.wait(60)
        return path.name.upper()


@pytest.fixture
def disk() -> Iterator[Disk]:
    found = Disk()
    yield found
    found.answers.set()


def test_one_thread_reads_all(disk: Disk) -> None:
    disk.answers.set()
    found = Reader(disk)(PATHS)
    assert found == {path: path.name.upper() for path in PATHS}
    assert len(disk.threads) == 1
    assert threading.get_ident() not in disk.threads


def test_those_that_do_not_answer_hold_up_no_others(
    disk: Disk, caplog: pytest.LogCaptureFixture
) -> None:
    reader = Reader(disk, seconds=0.05)
    assert sorted(path.name for path in reader(PATHS)) == ["a", "c", "e"]
    assert [record.message for record in caplog.records] == [
        f"{name} does not answer, so it is left out until it does" for name in "bd"
    ]


def test_one_that_answers_late_is_not_read_again(disk: Disk) -> None:
    reader = Reader(disk, seconds=0.05)
    reader(PATHS)
    assert not reader([Path("b")])
    disk.answers.set()
    until(lambda: reader([Path("b")]) == {Path("b"): "B"})
    assert disk.read.count(Path("b")) == 1


def test_what_reading_raises_is_raised() -> None:
    def broken(path: Path) -> str:
        raise RuntimeError(path.name)

    with pytest.raises(RuntimeError, match="a"):
        Reader(broken)(PATHS)


def test_nothing_to_read_starts_no_thread(disk: Disk) -> None:
    assert Reader(disk)([]) == {}
    assert not disk.threads
