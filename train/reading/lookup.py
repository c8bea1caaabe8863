"""From the name of a file, as a table has it, to the file."""

import os
from collections import defaultdict
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Final

from images.formats import SUFFIXES
from images.names import is_debris, is_hidden, part_of

_SUFFIXES: Final = (".jpg", ".jpeg", ".png", *sorted(SUFFIXES))


class Lookup:
    """Files in and below a folder.

    Tables name files relative to themselves or to a folder of images, with the path they had on
    another machine, or without their suffix, as competitions do.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def find(self, name: str, hint: str = "") -> Path | None:
        """The file; None if there is none, or several that fit equally well.

        ``hint``: the part whose folder is preferred.
        """
        name = name.strip().replace("\\", "/")
        if not name:
            return None
        for candidate in (name, *(name + suffix for suffix in _SUFFIXES)):
            for place in (self.root / hint, self.root):
                try:
                    if (place / candidate).is_file():
                        return place / candidate
                except (OSError, ValueError):
                    return None
        return self._below(name, hint)

    def _below(self, name: str, hint: str) -> Path | None:
        parts = PurePosixPath(name).parts
        found = self._by_name.get(parts[-1].casefold(), []) if parts else []
        found = found or (self._by_stem.get(parts[-1].casefold(), []) if parts else [])
        if len(found) < 2:
            return found[0] if found else None
        wanted = {part.casefold() for part in parts}
        # A list that does not say so is of the images to train on.
        hint = hint or "train"

        def fit(path: Path) -> int:
            own = path.relative_to(self.root).parts[:-1]
            return sum(part.casefold() in wanted or part_of(part) == hint for part in own)

        ranked = sorted(found, key=fit, reverse=True)
        return ranked[0] if fit(ranked[0]) > fit(ranked[1]) else None

    @cached_property
    def _files(self) -> list[Path]:
        files: list[Path] = []
        for parent, folders, names in os.walk(self.root):
            folders[:] = sorted(one for one in folders if not is_hidden(one) and not is_debris(one))
            files += [Path(parent, one) for one in sorted(names) if not is_hidden(one)]
        return files

    @cached_property
    def _by_name(self) -> dict[str, list[Path]]:
        found: dict[str, list[Path]] = defaultdict(list)
        for file in self._files:
            found[file.name.casefold()].append(file)
        return found

    @cached_property
    def _by_stem(self) -> dict[str, list[Path]]:
        found: dict[str, list[Path]] = defaultdict(list)
        for file in self._files:
            if file.suffix.lower() in SUFFIXES:
                found[file.stem.casefold()].append(file)
        return found
