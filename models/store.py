"""The BentoML model store, as the place where versions live.

A version is saved whole or not at all: BentoML writes it into a staging folder beside the store,
and one rename makes it visible. It is read by path, so that looking for new versions costs a few
``stat`` calls and never a parse of what was seen before.
"""

import contextlib
import os
import re
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

import bentoml
from bentoml import Tag
from bentoml._internal.configuration.containers import BentoMLContainer
from bentoml._internal.models import Model, ModelStore

from errors import ArtifactError, ModelError, UnknownVersionError
from models.artifact import MANIFEST, Artifact, read_artifact
from models.manifest import Manifest
from models.names import RULE, is_name
from models.staging import Staging, sync
from models.version import Version

SUFFIX = ".bentomodel"

_VERSION = re.compile(r"[a-z2-7]{16}")

_LATEST = "latest"
_BENTOML_INFO = "model.yaml"
_CLOCKS_DIFFER = timedelta(hours=1)


class Draft(Protocol):
    """Something that can write a version's files; in practice a ``Candidate``."""

    @property
    def name(self) -> str: ...

    def write(self, folder: Path) -> Manifest: ...


class Store:
    """The versions in BentoML's model store.

    A Bento that carries models, as the one in a container does, brings a store of its own, which
    may be read-only; versions are then found in both, by the server and by every command, and new
    ones saved to the one under ``BENTOML_HOME``.
    """

    def __init__(self, root: Path | None = None) -> None:
        try:
            home = Path(BentoMLContainer.bentoml_home.get()) / "models"
            bundled = Path(BentoMLContainer.model_store.get()._path)
        except OSError as error:
            raise ModelError(
                f"BentoML's folder cannot be used: {error}; set BENTOML_HOME to one that can."
            ) from error
        self._root = root or home
        self._staging = Staging(self._root)
        roots = (home, bundled, *_packed(Path(__file__)))
        self._roots = (root,) if root else tuple(dict.fromkeys(roots))
        self._seen: dict[Path, Version] = {}
        self._rejected: dict[Path, int] = {}

    def versions(self, name: str | None = None) -> list[Version]:
        """All complete versions, oldest first within each model, the models in order of name.

        A folder that Pupila did not save, or cannot read, is passed over.
        """
        found: dict[str, Version] = {}
        present: set[Path] = set()
        for root in self._roots:
            for path in _version_paths(root, name):
                present.add(path)
                version = self._seen.get(path) or self._read(path)
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
        name is none that BentoML takes or the store cannot be written, and whatever
        ``draft.write`` raises.
        """
        if not is_name(draft.name):
            raise ModelError(f"Model name {draft.name!r} will not do: {RULE}.")
        tag = Tag(draft.name, None).make_new_version()
        with self._staging.folder() as folder:
            staging = ModelStore(folder)
            with bentoml.models.create(tag, module="pupila", _model_store=staging) as model:
                draft.write(Path(model.path))
            return self._publish(staging.get(tag))

    def delete(self, version: Version) -> None:
        """Remove a version; BentoML's ``latest`` then means the newest that is left.

        It vanishes at once: its folder is renamed out of the store, then removed.
        """
        if version.path.parent.parent != self._root:
            raise ModelError(f"{version.tag} is part of the Bento and cannot be deleted from it.")
        with self._staging.folder() as folder, self._staging.locked():
            try:
                version.path.rename(folder / version.version)
            except FileNotFoundError:
                raise UnknownVersionError(f"{version.tag} is deleted already.") from None
            self._point_to_latest(version.name)
            with contextlib.suppress(OSError):
                # Only if no other version is left, or is being saved.
                version.path.parent.rmdir()

    def export(self, version: Version, path: Path) -> Path:
        """Write a version as one ``.bentomodel`` file; returns where.

        ``path`` is the file, or a folder to write it into. Raises ModelError if the file exists or
        cannot be written.
        """
        name = f"{version.name}-{version.version}{SUFFIX}"
        path = path.absolute()  # BentoML would take a relative one from the root.
        target = path / name if path.is_dir() else path.with_suffix(SUFFIX)
        with self._staging.folder() as folder:
            made = bentoml.models.export_model(
                version.tag,
                str(folder / name),
                _model_store=ModelStore(version.path.parent.parent),
            )
            try:
                with target.open("xb") as file, Path(made).open("rb") as source:
                    shutil.copyfileobj(source, file)
            except FileExistsError:
                raise ModelError(f"{target} exists already, and is not overwritten.") from None
            except OSError as error:
                raise ModelError(f"{target} cannot be written: {error.strerror}.") from error
        return target

    def import_archive(
        self, path: Path, check: Callable[[Artifact], object] | None = None
    ) -> Version:
        """Take in a ``.bentomodel`` file, once all its files are what its manifest says, it
        answers its golden examples, and ``check`` raises nothing.

        Raises ModelError or ArtifactError, and then the store is as it was.
        """
        with self._staging.folder() as folder:
            staging = ModelStore(folder)
            try:
                model = bentoml.models.import_model(str(path.absolute()), _model_store=staging)
            except Exception as error:
                raise ModelError(f"{path} is no file that BentoML exported a model to.") from error
            artifact = read_artifact(Path(model.path))
            manifest = artifact.manifest
            if manifest.name != model.tag.name or not is_name(manifest.name):
                raise ArtifactError(
                    f"{path} is named {model.tag.name}, but its manifest says {manifest.name}."
                )
            if manifest.created_at > datetime.now(UTC) + _CLOCKS_DIFFER:
                raise ArtifactError(
                    f"{path} was made in the future, at {manifest.created_at}, so it would stay "
                    "champion until then; set the clock of one of the machines."
                )
            self._check_content(artifact, model)
            artifact.verify()
            artifact.open()
            if check is not None:
                check(artifact)
            return self._publish(model)

    def _check_content(self, artifact: Artifact, model: Model) -> None:
        """Refuse what a version never has: other files, which could be a pickle that BentoML
        loads, or an id that could not be asked for."""
        known = {*artifact.manifest.files, MANIFEST, _BENTOML_INFO}
        strangers = sorted(path.name for path in artifact.path.iterdir() if path.name not in known)
        if strangers:
            raise ArtifactError(
                f"{model.tag} holds {strangers[0]}, which its manifest does not name."
            )
        if _VERSION.fullmatch(str(model.tag.version)) is None:
            raise ArtifactError(f"{model.tag} is no tag that BentoML makes.")

    def _publish(self, model: Model) -> Version:
        """Make a staged version visible, by one rename after all is on the disk."""
        staged = Path(model.path)
        version = Version(model.tag.name, str(model.tag.version), self._root / model.tag.path())
        for path in (*staged.iterdir(), staged):
            # BentoML makes the folder for its owner alone; a server may run as somebody else.
            path.chmod(0o755 if path.is_dir() else 0o644)
            sync(path)
        with self._staging.locked():
            try:
                version.path.parent.mkdir(parents=True, exist_ok=True)
                sync(self._root)
                staged.rename(version.path)
            except OSError as error:
                if version.path.exists():
                    raise ModelError(f"{version.tag} is in the store already.") from None
                raise ModelError(f"{version.path} cannot be made: {error.strerror}.") from error
            sync(version.path.parent)
            self._point_to_latest(version.name)
        return version

    def _point_to_latest(self, name: str) -> None:
        """Tell BentoML which version is the newest of those saved here."""
        model = self._root / name
        newest = [v for v in self.versions(name) if v.path.parent == model][-1:]
        for version in newest:
            latest = model / f".{_LATEST}-{version.version}"
            latest.write_text(version.version)
            latest.replace(model / _LATEST)
        if not newest:
            (model / _LATEST).unlink(missing_ok=True)

    def _read(self, path: Path) -> Version | None:
        """The version in a folder, or None if it is none, or not one yet.

        What was found to be none is not read again until its manifest changes.
        """
        version = Version(path.parent.name, path.name, path)
        if not is_name(version.name) or not is_name(version.version):
            return None
        try:
            changed = (path / MANIFEST).stat().st_mtime_ns
            if self._rejected.get(path) == changed:
                return None
            if not (path / _BENTOML_INFO).is_file():
                return None
            if version.manifest.name == version.name:
                self._rejected.pop(path, None)
                return version
            self._rejected[path] = changed
        except ArtifactError:
            self._rejected[path] = changed
        except OSError:
            pass
        return None


def _packed(source: Path) -> Iterator[Path]:
    """The models beside the Bento that ``source`` is a file of: ``<Bento>/src/models/store.py``.

    BentoML knows them only where it serves the Bento.
    """
    bento = source.resolve().parents[2]
    if (bento / "bento.yaml").is_file():
        yield bento / "models"


def _version_paths(root: Path, name: str | None) -> Iterator[Path]:
    """The folders that may be versions. Raises OSError if the store is there but cannot be read:
    that no version was found must not be taken for that there is none."""
    absent = (FileNotFoundError, NotADirectoryError)
    with contextlib.suppress(*absent):
        for model in [root / name] if name else sorted(root.iterdir()):
            with contextlib.suppress(*absent), os.scandir(model) as entries:
                yield from (model / entry.name for entry in entries if _is_folder(entry))


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads in a circle
        return False
