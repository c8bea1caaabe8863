"""What a store can save."""

from pathlib import Path
from typing import Protocol

from models.manifest import Manifest


class Unsaved(Protocol):
    """Something that can write the files of a new version; in practice a ``Candidate``."""

    @property
    def name(self) -> str: ...

    def write(self, folder: Path) -> Manifest: ...
