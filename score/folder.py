"""A folder of image files, at any depth."""

import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from errors import ScoreError
from images.files import path_text
from score.source import Gap, Item, Summary


class File(NamedTuple):
    """A file, or a link to anything, in a folder; size and time are 0 if unknown."""

    path: str
    size: int
    modified_ns: int


class _Entry(NamedTuple):
    name: str
    is_folder: bool
    size: int
    modified_ns: int


class FolderSource:
    """Every file in a folder is a row, with its path below the folder as id.

    Hidden files and folders are skipped. Links to files are followed. Links to folders are not, so
    that none can form a cycle: each is a row whose error says so.
    """

    id_type = pa.string()

    def __init__(self, root: Path) -> None:
        self._root = root

    def summary(self) -> Summary:
        digest = hashlib.sha256()
        rows = 0
        for file in walk(self._root):
            digest.update(os.fsencode(file.path) + b"\0")
            digest.update(f"{file.size} {file.modified_ns}\n".encode())
            rows += 1
        return Summary(rows, digest.hexdigest())

    def items(self, gaps: Iterable[Gap]) -> Iterator[tuple[int, Item]]:
        remaining = iter(gaps)
        gap = next(remaining, None)
        for number, file in enumerate(walk(self._root)):
            while gap is not None and number >= gap.end:
                gap = next(remaining, None)
            if gap is None:
                return
            if number >= gap.first:
                path = Path(f"{self._root}/{file.path}")
                yield number, Item(path_text(file.path), path, file.size)


def walk(root: Path, *, names_only: bool = False) -> Iterator[File]:
    """The files below a folder, in the order of the parts of their paths.

    With ``names_only``, sizes and times are not read. Keeps the names of one folder per level in
    memory. Raises ScoreError if a folder cannot be read, since skipping it would lose rows.
    """
    levels = [("", iter(_entries(root, "", names_only)))]
    while levels:
        below, entries = levels[-1]
        entry = next(entries, None)
        if entry is None:
            levels.pop()
        elif entry.is_folder:
            path = f"{below}{entry.name}/"
            levels.append((path, iter(_entries(root, path, names_only))))
        else:
            yield File(f"{below}{entry.name}", entry.size, entry.modified_ns)


def _entries(root: Path, below: str, names_only: bool) -> list[_Entry]:
    try:
        with os.scandir(root / below) as entries:
            return sorted(
                _entry(entry, names_only) for entry in entries if not entry.name.startswith(".")
            )
    except OSError as error:
        raise ScoreError(
            f"The folder {path_text(root / below)} cannot be read: {error.strerror}."
        ) from error


def _entry(entry: os.DirEntry[str], names_only: bool) -> _Entry:
    if entry.is_dir(follow_symlinks=False):
        return _Entry(entry.name, True, 0, 0)
    if names_only:
        return _Entry(entry.name, False, 0, 0)
    try:
        status = entry.stat()
    except OSError:  # a broken or circular link
        return _Entry(entry.name, False, 0, 0)
    return _Entry(entry.name, False, status.st_size, status.st_mtime_ns)
