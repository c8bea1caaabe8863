"""The extractors of a store: found, saved, and removed once no version needs them."""

import contextlib
import logging
import shutil
from collections.abc import Callable
from pathlib import Path

import internals
from cli import counted
from errors import ArtifactError, ModelError, UnknownVersionError
from models.artifact import MANIFEST
from models.extractor import (
    EXTRACTOR,
    Extractor,
    content_of,
    is_extractor,
    read_extractor,
    version_of,
)
from models.files import open_regular
from models.info import BENTOML_INFO, read_info
from models.names import RULE, is_name
from models.roots import version_paths
from models.store import Store
from models.tracking import track_as_configured
from models.version import Version

logger = logging.getLogger("pupila.extractors")


class Extractors:
    """The extractors that lie in a store beside its versions, each as ``<name>/<version>/``."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def all(self, name: str | None = None) -> list[Extractor]:
        """Of one name or of all, in the order of name and date. Skips what cannot be read."""
        found: dict[str, Extractor] = {}
        for root in self._store.roots:
            for path in version_paths(root, name):
                if not is_extractor(path):
                    continue
                try:
                    extractor = read_extractor(path)
                    _check_place(extractor)
                except ArtifactError as error:
                    logger.warning("%s is left out: %s", path, error)
                    continue
                found.setdefault(extractor.tag, extractor)
        return sorted(found.values(), key=lambda one: (one.manifest.name, one.manifest.created_at))

    def get(self, tag: str) -> Extractor:
        """The newest of a name, or the one of ``name:version``, a prefix of which is enough.

        Raises UnknownVersionError.
        """
        name, _, wanted = tag.partition(":")
        matches = [one for one in self.all(name) if one.path.name.startswith(wanted)]
        if not matches:
            raise UnknownVersionError(
                f"The store has no extractor {tag!r}; see: python -m features list"
            )
        if wanted and len(matches) > 1:
            raise UnknownVersionError(
                f"{len(matches)} extractors match {tag!r}; see: python -m features list"
            )
        return matches[-1]

    def users(self, extractor: Extractor) -> list[Version]:
        """The versions whose classifiers take its embeddings."""
        return [
            version
            for version in self._store.versions()
            if version.manifest.extractor is not None
            and version.manifest.extractor.sha256 == extractor.sha256
        ]

    def save(self, name: str, write: Callable[[Path], dict[str, object]]) -> Extractor:
        """Save what ``write`` puts into a folder, whole or not at all; the same one twice is one,
        and takes the place of one that was damaged.

        ``write`` returns the fields of the manifest. Raises ModelError if the name is not valid or
        is a model's, or the store is not writable, and what ``write`` raises.
        """
        self.check_name(name)
        with self._store.staging.folder() as folder:
            draft = folder / "draft"
            draft.mkdir()
            version = version_of(content_of(write(draft)))
            known = self.sound(name, version)
            if known is not None:
                return known
            track_as_configured()
            model = internals.create_model(
                name,
                folder,
                lambda target: [shutil.move(path, target) for path in draft.iterdir()],
                version,
            )
            extractor = read_extractor(model.path)
            if extractor.path.name != version_of(extractor.sha256):
                raise ArtifactError(f"{name} has changed while it was saved.")
            return self._publish(model)

    def sound(self, name: str, version: str) -> Extractor | None:
        """One of the store, if its files are as they were saved."""
        for one in self.all(name):
            if one.path.name == version:
                with contextlib.suppress(ArtifactError):
                    one.verify()
                    read_info(one.path)
                    return one
        return None

    def _publish(self, model: internals.StoredModel) -> Extractor:
        """Make it visible; what is left of a damaged one goes."""
        path = self._store.roots[0] / model.name / model.version
        if path.exists():
            # Another process may have saved the same one meanwhile.
            known = self.sound(model.name, model.version)
            if known is not None:
                return known
            self._store.remove(Version(model.name, model.version, path))
        return read_extractor(self._store.publish(model).path)

    def adopt(self, extractor: Extractor) -> bool:
        """Copy one that lies elsewhere into the store, checked; false if it is there undamaged.

        Raises ArtifactError if it is not as it was saved, ModelError if the store is not writable.
        """
        name, version = extractor.manifest.name, version_of(extractor.sha256)
        known = self.sound(name, version)
        if known is not None and known.sha256 == extractor.sha256:
            return False
        self.check_name(name)
        extractor.verify()
        with self._store.staging.folder() as folder:
            staged = folder / version
            staged.mkdir()
            for part in sorted({*extractor.manifest.files, EXTRACTOR, BENTOML_INFO}):
                source, target = extractor.path / part, staged / part
                with open_regular(source) as file, target.open("xb") as copy:
                    shutil.copyfileobj(file, copy)
            found = (*read_info(staged), version_of(read_extractor(staged).sha256))
            if found != (name, version, version):
                raise ArtifactError(f"{BENTOML_INFO} of the extractor {name} is of another one.")
            self._publish(internals.StoredModel(name, version, staged))
        return True

    def remove(self, extractor: Extractor) -> None:
        """Raises ModelError while a version needs it, or if it is part of a Bento."""
        path = extractor.path
        gone = Version(path.parent.name, path.name, path)
        self._store.remove(gone, lambda: self.check_unused(extractor))

    def check_unused(self, extractor: Extractor) -> None:
        """Raise ModelError while a version needs it."""
        users = self.users(extractor)
        if users:
            raise ModelError(
                f"{extractor.tag} is needed by {users[0].tag}"
                + (f" and {counted(len(users) - 1, 'other version')}" if users[1:] else "")
                + "; delete these first: python -m models delete"
            )

    def check_name(self, name: str) -> None:
        """Raise ModelError for a name that no extractor may have."""
        if not is_name(name):
            raise ModelError(f"Extractor name {name!r} is not valid: {RULE}.")
        for root in self._store.roots:
            if any((path / MANIFEST).exists() for path in version_paths(root, name)):
                raise ModelError(
                    f"{name!r} is the name of a model in this store; call the extractor otherwise."
                )


def _check_place(extractor: Extractor) -> None:
    expected = (extractor.manifest.name, version_of(extractor.sha256))
    if (extractor.path.parent.name, extractor.path.name) != expected:
        raise ArtifactError(
            f"its manifest is that of {':'.join(expected)}, so it was changed or moved."
        )
