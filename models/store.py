"""The BentoML model store, as the place where versions live.

A version is saved whole or not at all: it is written into a staging folder next to the store, and
one rename makes it visible. The store is read by path, so that a check for new versions costs a few
``stat`` calls and never parses what was seen before. Each version is read by itself and in time.
Extractors lie in the same folders: see ``models.extractors``.
"""

import contextlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import internals
from errors import ArtifactError, ModelError, UnknownVersionError
from models.aliases import Aliases, Named, challenger_of, champion_of
from models.artifact import MANIFEST, read_artifact
from models.extractor import is_extractor
from models.info import BENTOML_INFO, read_info
from models.kinds import check_model_name, lacking
from models.latest import point_to_latest
from models.look import Look, stamp
from models.names import is_name
from models.reading import Reader
from models.roots import model_stores, packed_store, version_paths
from models.signature import TrustedKeys
from models.staging import Staging, sync
from models.tracking import track_as_configured
from models.training_images import TrainingImages, TrainingSet
from models.unsaved import Unsaved
from models.version import Version
from settings import settings

logger = logging.getLogger("pupila.store")


class Store:
    """The versions in BentoML's model store.

    A Bento that carries models, such as the one in a container, brings a store that may be
    read-only. The server and every command then find versions in both, and save new ones to the
    store under ``BENTOML_HOME``.
    """

    def __init__(
        self,
        root: Path | None = None,
        trusted: TrustedKeys | None = None,
        aliases: Aliases = dict,
    ) -> None:
        """``trusted``: the keys that must have signed a version; by default those of the settings.
        ``aliases``: asked whenever a champion or challenger is; by default there are none.

        Raises ModelError if BentoML's folder or a key cannot be used.
        """
        self.trusted = TrustedKeys.of(settings().trusted_keys) if trusted is None else trusted
        try:
            home, bundled = model_stores()
        except OSError as error:
            raise ModelError(
                f"BentoML's folder {error.filename or ''} cannot be used: "
                f"{error.strerror or error}; set BENTOML_HOME to one that can."
            ) from error
        self._root, self.given = root or home, root
        self.staging = Staging(self._root)
        self.training_images = TrainingImages(self._root)
        everywhere = dict.fromkeys((home, bundled, *filter(None, [packed_store()])))
        self.roots = (root,) if root else tuple(everywhere)
        self._seen: dict[Path, Version] = {}
        self._rejected: dict[Path, int] = {}
        self._reader = Reader(self._read)
        self.aliases = aliases
        self._missed: set[str] = set()
        self._look = Look()
        self._others: set[Path] = set()

    def versions(self, name: str | None = None) -> list[Version]:
        """All complete versions, oldest first within each model, the models in order of name.

        Skips folders that Pupila did not save or cannot read.
        """
        before = None if name is not None else stamp(self.roots)
        if self._look.holds(before):
            return list(self._look.versions)
        found: dict[str, Version] = {}
        present = self._paths(name)
        new = self._reader([path for path in present if path not in self._seen])
        for path in present:
            version = self._seen.get(path) or new.get(path)
            if version is not None:
                self._seen[path] = version
                found.setdefault(version.tag, version)
        versions = sorted(found.values(), key=lambda v: (v.name, v.manifest.created_at, v.version))
        if name is None:
            self._seen = {path: self._seen[path] for path in self._seen.keys() & set(present)}
            # What is not complete yet changes without its folder's doing so.
            complete = before if self._seen.keys() == set(present) else None
            self._look = Look(complete, tuple(versions))
        return versions

    def may_have_changed(self) -> bool:
        """Since ``versions`` has looked at all of it. Raises OSError if it cannot be read."""
        return not self._look.holds(stamp(self.roots))

    def _paths(self, name: str | None) -> list[Path]:
        """The folders that may be versions, of one model or of all."""
        paths = []
        for root in self.roots:
            for path in version_paths(root, name):
                if path in self._others or is_extractor(path):
                    self._others.add(path)
                else:
                    paths.append(path)
        return paths

    def champion(self, name: str) -> Version:
        """The version that answers for a model: the one with that alias, else the newest.

        Also where the store lacks the one with the alias, which is logged. Raises
        UnknownVersionError if the store has no version of the model.
        """
        versions = self.versions(name)
        if not versions:
            raise UnknownVersionError(lacking(name, self.roots))
        return self._champion(versions, self.aliases().get(name))

    def champions(self) -> list[Version]:
        """The champion of every model."""
        models: dict[str, list[Version]] = {}
        for version in self.versions():
            models.setdefault(version.name, []).append(version)
        aliases = self.aliases()
        return [self._champion(versions, aliases.get(name)) for name, versions in models.items()]

    def challenger(self, name: str) -> Version:
        """The version on trial. Raises UnknownVersionError if there is none, or not here."""
        return challenger_of(name, self.versions(name), self.aliases().get(name))

    def get(self, tag: str) -> Version:
        """The version of a tag such as ``clf:abc123``, ``clf:champion``, or just ``clf``.

        An unambiguous prefix of a version is enough. Raises UnknownVersionError.
        """
        name, _, wanted = tag.partition(":")
        if wanted in ("", "champion"):
            return self.champion(name)
        if wanted == "challenger":
            return self.challenger(name)
        matches = [v for v in self.versions(name) if v.version.startswith(wanted)]
        exact = [v for v in matches if v.version == wanted]
        if len(exact or matches) != 1:
            count = f"{len(matches)} versions match" if matches else "no version matches"
            raise UnknownVersionError(
                f"No single version matches {tag!r} ({count}); see: python -m models list"
            )
        return (exact or matches)[0]

    def _champion(self, versions: Sequence[Version], named: Named | None) -> Version:
        version, right = champion_of(versions, named)
        if named is not None and not right and named.champion not in self._missed:
            self._missed.add(named.champion)
            logger.warning(
                "the champion %s:%s is not in this store: the newest version %s is taken for it",
                version.name,
                named.champion,
                version.version,
            )
        return version

    def save(
        self,
        unsaved: Unsaved,
        images: TrainingSet | None = None,
        written: Callable[[Version], object] | None = None,
    ) -> Version:
        """Save a new version of ``unsaved.name``, whole or not at all, and keep its training
        ``images`` beside the store.

        ``written`` is called once it is written, and before anybody else can see it. If it or
        writing raises, or the process dies, the store is as it was. Raises ModelError if BentoML
        does not accept the name or the store is not writable, and whatever those two raise.
        """
        check_model_name(unsaved.name, self.roots)
        with self.staging.folder() as folder:
            track_as_configured()
            model = internals.create_model(unsaved.name, folder, unsaved.write)
            if images is not None:
                # Before the version is visible, so that none is without that should have them.
                self.training_images.keep(model.name, model.version, images)
            try:
                if written is not None:
                    # Nobody can have signed it yet, and nobody else has written it.
                    written(Version(model.name, model.version, model.path))
                return self.publish(model)
            except BaseException:
                self.training_images.drop(model.name, model.version)
                raise

    def delete(self, version: Version) -> None:
        """Remove a version; BentoML's ``latest`` then names the newest that is left.

        It disappears in one step: its folder is renamed out of the store, then removed.
        """
        self.remove(version)
        self.training_images.drop(version.name, version.version)

    def remove(self, version: Version, check: Callable[[], object] | None = None) -> None:
        """The same, of what has no training images, unless ``check`` raises: nothing is published
        between it and the end."""
        self._check_ours(version)
        with self.staging.folder() as folder, self.staging.locked():
            if check is not None:
                check()
            try:
                version.path.rename(folder / version.version)
            except FileNotFoundError:
                raise UnknownVersionError(f"{version.tag} is already deleted.") from None
            self._point_to_latest(version.name)
            with contextlib.suppress(OSError):
                # Only if no other version is left, or is being saved.
                version.path.parent.rmdir()

    def attach(self, version: Version, name: str, content: bytes) -> None:
        """Add a file beside those that the manifest names, or replace it, in one step."""
        self._check_ours(version)
        with self.staging.folder() as folder:
            staged = folder / name
            try:
                staged.write_bytes(content)
                staged.chmod(0o644)
                sync(staged)
                staged.replace(version.path / name)
            except OSError as error:
                raise ModelError(
                    f"{version.path / name} cannot be written: {error.strerror}."
                ) from error

    def _check_ours(self, version: Version) -> None:
        if version.path.parent.parent != self._root:
            raise ModelError(f"{version.tag} is part of the Bento, which cannot be changed.")

    def publish(self, model: internals.StoredModel) -> Version:
        """Make a staged version visible, by one rename after all of it is on the disk.

        Raises ModelError, or ArtifactError if its extractor is gone.
        """
        path = self._root / model.name / model.version
        version = Version(model.name, model.version, path, self.trusted)
        for staged in (*model.path.iterdir(), model.path):
            # BentoML creates the folder for its owner alone; a server may run as another user.
            staged.chmod(0o755 if staged.is_dir() else 0o644)
            sync(staged)
        with self.staging.locked():
            if (model.path / MANIFEST).exists():
                # It may have been removed since the version was made.
                replace(read_artifact(model.path), path=path).extractor()
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                sync(self._root)
                model.path.rename(path)
            except OSError as error:
                if path.exists():
                    raise ModelError(f"{version.tag} is already in the store.") from None
                raise ModelError(f"{path} cannot be created: {error.strerror}.") from error
            sync(path.parent)
            self._point_to_latest(version.name)
        return version

    def _point_to_latest(self, name: str) -> None:
        model = self._root / name
        point_to_latest(model, [v.version for v in self.versions(name) if v.path.parent == model])

    def _read(self, path: Path) -> Version | None:
        """The version in a folder; None if the folder holds none, or is not complete yet.

        A folder that was rejected is not read again until its manifest changes.
        """
        version = Version(path.parent.name, path.name, path, self.trusted)
        if not is_name(version.name) or not is_name(version.version):
            return None
        try:
            changed = (path / MANIFEST).lstat().st_mtime_ns
            if self._rejected.get(path) == changed:
                return None
            if not (path / BENTOML_INFO).exists():
                return None
            # In a folder that was renamed, they describe another version than its path.
            read_info(version.path)
            if version.manifest.name == version.name:
                self._rejected.pop(path, None)
                return version
            self._rejected[path] = changed
        except ArtifactError as error:
            self._rejected[path] = changed
            logger.warning("%s is left out: %s", path, error)
        except OSError:
            pass
        return None
