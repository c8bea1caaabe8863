"""One saved version of a model: a name, an id, and the folder of its files."""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from models.artifact import Artifact, read_artifact
from models.manifest import Manifest
from models.signature import TrustedKeys


@dataclass(frozen=True)
class Version:
    """One saved version. ``created_at`` in its manifest orders the versions of a model.

    ``trusted``: the keys, one of which must have signed it before any other file is read.
    """

    name: str
    version: str
    path: Path
    trusted: TrustedKeys = field(default_factory=TrustedKeys, compare=False, repr=False)

    @property
    def tag(self) -> str:
        return f"{self.name}:{self.version}"

    @cached_property
    def artifact(self) -> Artifact:
        return read_artifact(self.path, self.trusted)

    @property
    def manifest(self) -> Manifest:
        return self.artifact.manifest
