"""Backups of versions: another store, with each of them, whole or not at all.

A version never changes once it is saved, so only those are copied that the other store lacks.
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from errors import ArtifactError, ModelError
from internals import StoredModel
from models.artifact import MANIFEST, read_artifact
from models.extractors import Extractors
from models.files import open_regular, read_regular
from models.info import BENTOML_INFO, read_info
from models.signature import SIGNATURE, TrustedKeys
from models.store import Store
from models.version import Version
from settings import settings

_MODELS = "models"


@dataclass(frozen=True)
class Copied:
    """Tags of the versions that were copied, of those that were there already, and of those among
    both whose training images were copied; ``faults``: why a version was not; ``lost``: of which
    versions the images were not, or not all, and why."""

    versions: tuple[str, ...]
    present: tuple[str, ...]
    images: tuple[str, ...]
    faults: tuple[str, ...]
    lost: tuple[str, ...] = ()


def backup_store(folder: Path, *, create: bool = False) -> Store:
    """The store in a backup's folder, which may have versions that nobody has signed.

    Raises ModelError if there is none, unless ``create``, or if it cannot be used.
    """
    models = folder / _MODELS
    try:
        if create:
            # It holds people's images.
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            models.mkdir(exist_ok=True)
        elif not models.is_dir():
            raise ModelError(f"{folder} is not a backup: write one with python -m models backup.")
    except OSError as error:
        raise ModelError(f"{folder} cannot be used: {error.strerror}.") from None
    return Store(models, TrustedKeys())


def copy_versions(source: Store, target: Store, names: Sequence[str] = ()) -> Copied:
    """Copy the versions of these models, or of all, that ``target`` lacks, each checked against its
    manifest, the extractor that a version lacks there, and the training images that it lacks. What
    cannot be copied is told, and the rest goes on. Raises ModelError."""
    sound: set[str] = set()
    known = {version.tag: version for version in target.versions()}
    copied, present, images, faults, lost = [], [], [], [], []
    for version in source.versions():
        if names and version.name not in names:
            continue
        copy = known.get(version.tag)
        try:
            if copy is None:
                _copy(version, target)
            else:
                signature = _signature(version.path)
                signed = signature not in (b"", _signature(copy.path))
                if signed:
                    target.attach(copy, SIGNATURE, signature)
                if not _mend(copy, version, target, sound) and not signed:
                    present.append(version.tag)
        except (ModelError, OSError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            faults.append(f"{version.tag}: {str(reason).rstrip('.')}")
            continue
        if version.tag not in present:
            copied.append(version.tag)
        try:
            if _copy_images(version, source, target):
                images.append(version.tag)
        except (ModelError, OSError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            lost.append(f"{version.tag}: {str(reason).rstrip('.')}")
    return Copied(tuple(copied), tuple(present), tuple(images), tuple(faults), tuple(lost))


def _copy(version: Version, target: Store) -> None:
    """With its extractor, if it has one, before it.

    Raises ModelError, ArtifactError if a file is not as it was saved, or OSError.
    """
    extractor = version.artifact.extractor()
    if extractor is not None:
        Extractors(target).adopt(extractor)
    with target.staging.folder() as folder:
        staged = folder / version.version
        staged.mkdir()
        present = {path.name for path in version.path.iterdir()}
        names = {*version.manifest.files, MANIFEST, BENTOML_INFO, *({SIGNATURE} & present)}
        for name in sorted(names):
            with open_regular(version.path / name) as source, (staged / name).open("xb") as copy:
                shutil.copyfileobj(source, copy)
        if read_info(staged) != (version.name, version.version):
            raise ArtifactError(f"{BENTOML_INFO} is of another version")
        read_artifact(staged, target.trusted).verify()
        target.publish(StoredModel(version.name, version.version, staged))


def _mend(copy: Version, version: Version, target: Store, sound: set[str]) -> bool:
    """Copy the extractor that a ``copy`` lacks, or has damaged; says whether it did.

    ``sound``: SHA-256 of those that ``target`` has whole, each of which is read once. Raises as
    ``_copy``.
    """
    wanted = copy.manifest.extractor
    if wanted is None or wanted.sha256 in sound:
        return False
    extractors = Extractors(target)
    found = extractors.sound(wanted.name, wanted.version)
    mended = False
    if found is None or found.sha256 != wanted.sha256:
        whole = version.artifact.extractor()
        mended = whole is not None and extractors.adopt(whole)
    sound.add(wanted.sha256)
    return mended


def _copy_images(version: Version, source: Store, target: Store) -> bool:
    """Keep the images that a version was trained on, if there are any that the other store lacks;
    says whether it did. Raises ModelError if any is lost, once the others are kept."""
    own, others = source.training_images, target.training_images
    if others.kept(version.name, version.version):
        return False
    found = own.read(version.name, version.version)
    if found is None or not settings().training_images_bytes:
        return False
    others.keep(version.name, version.version, found)
    if not others.kept(version.name, version.version):
        raise ModelError("they could not be written, as the line above says")
    if found.missing:
        raise ModelError(
            f"{found.missing:,} of {len(found) + found.missing:,} are damaged or missing; the "
            "others were copied"
        )
    return True


def _signature(folder: Path) -> bytes:
    try:
        return read_regular(folder / SIGNATURE)
    except FileNotFoundError:
        return b""
