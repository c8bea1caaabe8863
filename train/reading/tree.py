"""The folders and files of a dataset, without what is hidden or was left by other programs."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path
from typing import Final

from errors import DatasetError
from images.files import FOLDER_LINK, path_text
from images.names import is_debris, is_hidden, may_be_image
from train.dataset import Skipped

MAX_DEPTH: Final = 64
_CONTAINS: Final = "it is a link to a folder that contains this one"


@dataclass
class Exclusion:
    """Glob patterns of what to leave out, by name or by path below the data, and which of them
    have met something."""

    patterns: Sequence[str] = ()
    met: set[str] = field(default_factory=set)

    def __contains__(self, path: str) -> bool:
        name = path.rpartition("/")[2]
        found = [
            pattern
            for pattern in self.patterns
            if fnmatchcase(name, pattern.rstrip("/")) or fnmatchcase(path, pattern.rstrip("/"))
        ]
        self.met.update(found)
        return bool(found)

    @property
    def notes(self) -> list[str]:
        return [
            f"--exclude {pattern} met nothing."
            for pattern in self.patterns
            if pattern not in self.met
        ]


@dataclass
class Found:
    """What a walk meets besides: files that cannot be read, and debris by its names."""

    skipped: list[Skipped] = field(default_factory=list)
    debris: list[str] = field(default_factory=list)

    def skip(self, path: str | Path, reason: str) -> None:
        self.skipped.append(Skipped(path_text(path), reason))


@dataclass(frozen=True)
class Folder:
    """A folder, its sub-folders and files in the order of their names, and links to folders."""

    path: Path
    below: str
    folders: tuple["Folder", ...]
    files: tuple[Path, ...]
    links: tuple[Path, ...]

    @property
    def name(self) -> str:
        return self.path.name

    @cached_property
    def all_files(self) -> list[Path]:
        """At any depth, sorted."""
        return sorted([*self.files, *(file for one in self.folders for file in one.all_files)])

    @cached_property
    def all_links(self) -> list[Path]:
        return [*self.links, *(link for one in self.folders for link in one.all_links)]

    @cached_property
    def has_images(self) -> bool:
        return any(map(may_be_image, self.files)) or any(one.has_images for one in self.folders)

    def following(self, walk: "Walk") -> "Folder":
        """With the sub-folders that are links; only these are followed, so that none is a cycle."""
        if not self.links:
            return self
        if self.path in walk.followed:
            return walk.followed[self.path]
        home = self.path.resolve()
        followed: list[Folder] = []
        for link in self.links:
            if home.is_relative_to(link.resolve()):
                walk.found.skip(link, _CONTAINS)
            else:
                followed.append(walk.read(link, f"{self.below}{link.name}/", 1))
        folders = sorted((*self.folders, *followed), key=lambda one: one.path)
        whole = replace(self, folders=tuple(folders), links=())
        walk.followed[self.path] = whole
        return whole


@dataclass(frozen=True)
class Walk:
    """Reads folders below ``root``."""

    root: Path
    exclusion: Exclusion
    found: Found = field(default_factory=Found)
    followed: dict[Path, Folder] = field(default_factory=dict)

    def start(self) -> Folder:
        """Raises DatasetError, naming the folder, if it cannot be read."""
        try:
            os.scandir(self.root).close()
        except OSError as error:
            raise DatasetError(
                f"The data folder {path_text(self.root)} cannot be read: {error.strerror}."
            ) from error
        return self.read(self.root, "", 0)

    def read(self, path: Path, below: str, depth: int) -> Folder:
        folders, files, links = [], [], []
        for entry in self._entries(path):
            inner, here = f"{below}{entry.name}", path / entry.name
            if is_debris(entry.name):
                self.found.debris.append(entry.name)
            elif is_hidden(entry.name) or inner in self.exclusion:
                continue
            elif not _is_folder(entry):
                files.append(here)
            elif entry.is_symlink():
                links.append(here)
            elif depth == MAX_DEPTH:
                self.found.skip(here, f"it is more than {MAX_DEPTH} folders deep")
            else:
                folders.append(self.read(here, f"{inner}/", depth + 1))
        return Folder(path, below, tuple(folders), tuple(files), tuple(links))

    def _entries(self, path: Path) -> list[os.DirEntry[str]]:
        try:
            with os.scandir(path) as entries:
                return sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            self.found.skip(path, f"it cannot be read: {error.strerror}")
            return []

    def skip_links(self, folder: Folder) -> None:
        """Of a folder whose images are taken."""
        for link in folder.all_links:
            self.found.skip(link, FOLDER_LINK)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False
