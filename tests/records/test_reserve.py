"""Records are deleted from a disk that is full."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from errors import DatabaseError, DiskFullError
from records.database import Database
from records.reserve import SIZE, release, reserve, set_aside
from records.retention import prune
from records.stats import stats
from records.windows import window
from tests.records.rows import keep, row


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder with a disk of its own, of 24 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(command, check=False, capture_output=True).returncode == 0
    except OSError:
        mounted = False
    if not mounted:
        pytest.skip("no file system can be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def filled(folder: Path, image: bytes, rows: int) -> Database:
    database = Database(f"sqlite:///{folder}/records.db", create=True, timeout=5)
    database.prepare()
    assert database.file
    set_aside(database.file, SIZE)
    number = 0
    while rows:
        try:
            keep(
                database, *[row(str(number + i), minutes=number, image=image) for i in range(rows)]
            )
            number += rows
        except DiskFullError:
            rows //= 2
    return database


@pytest.mark.parametrize(("size", "rows"), [(20_000, 100), (200_000, 20), (2_000_000, 1)])
def test_records_are_deleted_from_a_full_disk(small_disk: Path, size: int, rows: int) -> None:
    with filled(small_disk, os.urandom(size), rows) as database:
        before = len(window(database, "clf", limit=None, with_images=False))
        with pytest.raises(DatabaseError, match="the disk is full; run python -m records prune"):
            keep(database, row(image=os.urandom(size)), row(image=os.urandom(size)))
        assert prune(database, max_rows=2).rows == before - 2
        assert stats(database).bytes < 2 * size + 500_000
        keep(database, row(image=os.urandom(size)), row(image=os.urandom(size)))


def test_nothing_that_was_deleted_is_left_in_the_file(small_disk: Path) -> None:
    secret = b"a face" * 20_000
    with filled(small_disk, secret, 20) as database:
        prune(database, max_rows=0)
        assert database.file
        files = [database.file, *database.file.parent.glob("records.db-wal")]
        assert all(b"face" not in path.read_bytes() for path in files)


def test_without_what_was_set_aside_it_says_what_to_do(small_disk: Path) -> None:
    with filled(small_disk, os.urandom(20_000), 100) as database:
        assert database.file
        file = reserve(database.file)
        # Another program takes it.
        file.rename(file.with_name("other"))
        with contextlib.suppress(DiskFullError):
            prune(database, max_rows=2)
        release(file.with_name("other"))
        assert (small_disk / "other").exists()


def test_it_is_set_aside_once_and_given_up_once(tmp_path: Path) -> None:
    file = tmp_path / "records.db"
    for _ in range(2):
        set_aside(file, 0)
        assert reserve(file).stat().st_size == SIZE
        assert reserve(file).stat().st_blocks * 512 >= SIZE
        assert reserve(file).stat().st_mode & 0o777 == 0o600
    assert release(file)
    assert not release(file)


def test_not_of_a_disk_that_is_nearly_full(tmp_path: Path) -> None:
    set_aside(tmp_path / "records.db", 2**62)
    assert list(tmp_path.iterdir()) == []


def test_not_where_it_cannot_be(tmp_path: Path) -> None:
    set_aside(tmp_path / "no folder" / "records.db")
