"""The BentoML model store, as the place where versions live.

A version is saved whole or not at all: BentoML writes it into a staging folder beside the store,
and one rename makes it visible. It is read by path, so that looking for new versions costs a few
``stat`` calls and never a parse of what was seen before.
"""

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

import bentoml
from bentoml import Tag
from bentoml._internal.configuration.containers import BentoMLContainer
from bentoml._internal.models import Model, ModelStore

from errors import ArtifactError, ModelError, UnknownVersionError
from models.artifact import Artifact, read_artifact
from models.manifest import Manifest
from models.names import RULE, is_name

_STAGING = "pupila-staging"
_LATEST = "latest"
_BENTOML_INFO = "model.yaml"
_ABANDONED_AFTER_SECONDS = 24 * 3600


class Draft(Protocol):
    """Something that can write a version's files; in practice a ``Candidate``."""

    @property
    def name(self) -> str: ...

    def write(self, folder: Path) -> Manifest: ...


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


class Store:
    """The versions in BentoML's model store.

    A Bento that carries models brings a store of its own, which may be read-only; versions are
    then found in both, and new ones saved to the one under ``BENTOML_HOME``.
    """

    def __init__(self, root: Path | None = None) -> None:
        home = Path(BentoMLContainer.bentoml_home.get()) / "models"
        bundled = Path(BentoMLContainer.model_store.get()._path)
        self._root = root or home
        self._roots = (root,) if root else tuple(dict.fromkeys((home, bundled)))
        self._seen: dict[Path, Version] = {}

    def versions(self, name: str | None = None) -> list[Version]:
        """All complete versions, oldest first within each model, the models in order of name.

        A folder that Pupila did not save, or cannot read, is passed over.
        """
        found: dict[str, Version] = {}
        present: set[Path] = set()
        for root in self._roots:
            for path in _version_paths(root, name):
                present.add(path)
                version = self._seen.get(path) or _read_version(path)
                if version is not None:
                    self._seen[path] = version
                    found.setdefault(version.tag, version)
        if name is None:
            self._seen = {path: self._seen[path] for path in self._seen.keys() & present}
        return sorted(found.values(), key=lambda v: (v.name, v.manifest.created_at, v.version))

    def champion(self, name: str) -> Version:
        """The version that answers for a model: the newest one.

        Raises UnknownVersionError if the store has no version of the model.
        """
        versions = self.versions(name)
        if not versions:
            raise UnknownVersionError(
                f"The store has no model {name!r}; train one with: python -m train --name {name}"
            )
        return versions[-1]

    def champions(self) -> list[Version]:
        """The champion of every model."""
        return list({version.name: version for version in self.versions()}.values())

    def get(self, tag: str) -> Version:
        """The version of a tag such as ``clf:abc123``, ``clf:champion``, or just ``clf``.

        A version may be cut short where that is unambiguous. Raises UnknownVersionError.
        """
        name, _, wanted = tag.partition(":")
        if wanted in ("", "champion"):
            return self.champion(name)
        matches = [v for v in self.versions(name) if v.version.startswith(wanted)]
        exact = [v for v in matches if v.version == wanted]
        if len(exact or matches) != 1:
            many = f"{len(matches)} versions begin so" if matches else "there is none"
            raise UnknownVersionError(
                f"The store has no one version {tag!r} ({many}); see: python -m models list"
            )
        return (exact or matches)[0]

    def save(self, draft: Draft) -> Version:
        """Save a new version of ``draft.name``, whole or not at all.

        If writing it raises, or the process dies, the store is as it was. Raises ModelError if the
        name is none that BentoML takes, and whatever ``draft.write`` raises.
        """
        if not is_name(draft.name):
            raise ModelError(f"Model name {draft.name!r} will not do: {RULE}.")
        tag = Tag(draft.name, None).make_new_version()
        with self._staging() as staging:
            with bentoml.models.create(tag, module="pupila", _model_store=staging) as model:
                draft.write(Path(model.path))
            return self._publish(staging.get(tag))

    def delete(self, version: Version) -> None:
        """Remove a version; BentoML's ``latest`` then means the newest that is left."""
        if version.path.parent.parent != self._root:
            raise ModelError(f"{version.tag} is part of the Bento and cannot be deleted from it.")
        bentoml.models.delete(version.tag, _model_store=ModelStore(self._root))

    def export(self, version: Version, path: Path) -> Path:
        """Write a version as one ``.bentomodel`` file; returns where."""
        if path.exists() and not path.is_dir():
            raise ModelError(f"{path} exists already, and is not overwritten.")
        exported = bentoml.models.export_model(
            version.tag, str(path), _model_store=ModelStore(version.path.parent.parent)
        )
        return Path(exported)

    def import_archive(self, path: Path) -> Version:
        """Take in a ``.bentomodel`` file, once all its files are what its manifest says.

        Raises ModelError or ArtifactError, and then the store is as it was.
        """
        with self._staging() as staging:
            try:
                model = bentoml.models.import_model(str(path), _model_store=staging)
            except Exception as error:
                raise ModelError(f"{path} is no file that BentoML exported a model to.") from error
            artifact = read_artifact(Path(model.path))
            if artifact.manifest.name != model.tag.name:
                raise ArtifactError(
                    f"{path} is named {model.tag.name}, but its manifest says "
                    f"{artifact.manifest.name}."
                )
            artifact.verify()
            artifact.open()
            return self._publish(model)

    @contextlib.contextmanager
    def _staging(self) -> Iterator[ModelStore]:
        """An empty store on the same file system, gone at the end."""
        folder = self._root.parent / _STAGING
        folder.mkdir(parents=True, exist_ok=True)
        _sweep(folder)
        home = Path(tempfile.mkdtemp(dir=folder))
        try:
            yield ModelStore(home)
        finally:
            shutil.rmtree(home, ignore_errors=True)

    def _publish(self, model: Model) -> Version:
        """Make a staged version visible, by one rename after all is on the disk."""
        staged = Path(model.path)
        version = Version(model.tag.name, str(model.tag.version), self._root / model.tag.path())
        if version.path.exists():
            raise ModelError(f"{version.tag} is in the store already.")
        version.path.parent.mkdir(parents=True, exist_ok=True)
        for path in (*staged.iterdir(), staged):
            _sync(path)
        staged.rename(version.path)
        _sync(version.path.parent)
        latest = version.path.with_name(f".{_LATEST}-{version.version}")
        latest.write_text(self.champion(version.name).version)
        latest.replace(version.path.with_name(_LATEST))
        return version


def _version_paths(root: Path, name: str | None) -> Iterator[Path]:
    with contextlib.suppress(OSError):
        for model in [root / name] if name else sorted(root.iterdir()):
            with contextlib.suppress(OSError), os.scandir(model) as entries:
                yield from (model / entry.name for entry in entries if entry.is_dir())


def _read_version(path: Path) -> Version | None:
    version = Version(path.parent.name, path.name, path)
    try:
        complete = (path / _BENTOML_INFO).is_file() and version.manifest.name == version.name
    except ArtifactError:
        return None
    return version if complete else None


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sweep(staging: Path) -> None:
    """Remove what a killed process left, old enough that it cannot be at work still."""
    for left in staging.iterdir():
        with contextlib.suppress(OSError):
            if time.time() - left.stat().st_mtime > _ABANDONED_AFTER_SECONDS:
                shutil.rmtree(left, ignore_errors=True)
