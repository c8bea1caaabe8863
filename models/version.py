"""One saved version of a model: a name, an id, and the folder of its files."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from models.artifact import Artifact, read_artifact
from models.manifest import Manifest


@dataclass(frozen=True)
class Version:
    """One saved version. ``created_at`` in its manifest orders the versions of a model."""

    name: str
    version: str
    path: Path

    @property
    def tag(self) -> str:
        return f"{self.name}:{self.version}"

    @cached_property
    def artifact(self) -> Artifact:
        return read_artifact(self.path)

    @property
    def manifest(self) -> Manifest:
        return self.artifact.manifest
