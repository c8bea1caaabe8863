"""A version as one ``.bentomodel`` file, to move it from one machine to another."""

import re
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import internals
from errors import ArtifactError, ModelError
from models.artifact import MANIFEST, Artifact, read_artifact
from models.names import is_name
from models.store import BENTOML_INFO, Store, track_as_configured
from models.version import Version

SUFFIX = ".bentomodel"

_VERSION = re.compile(r"[a-z2-7]{16}")
_CLOCK_TOLERANCE = timedelta(hours=1)


def export_version(store: Store, version: Version, path: Path) -> Path:
    """Write a version to one file; returns its path.

    ``path`` is the file, or a folder to write it into. Raises ModelError if the file exists or
    cannot be written.
    """
    name = f"{version.name}-{version.version}{SUFFIX}"
    path = path.absolute()  # BentoML would resolve a relative one from the root.
    target = path / name if path.is_dir() else path.with_suffix(SUFFIX)
    with store.staging.folder() as folder:
        track_as_configured()
        archive = internals.export_model(version.tag, version.path.parent.parent, folder / name)
        try:
            with target.open("xb") as file, archive.open("rb") as source:
                shutil.copyfileobj(source, file)
        except FileExistsError:
            raise ModelError(f"{target} exists already and is not overwritten.") from None
        except OSError as error:
            raise ModelError(f"{target} cannot be written: {error.strerror}.") from error
    return target


def import_version(
    store: Store, path: Path, check: Callable[[Artifact], object] | None = None
) -> Version:
    """Add the version in a ``.bentomodel`` file to the store, once all its files match its
    manifest, it answers its golden examples, and ``check`` raises nothing.

    Raises ModelError or ArtifactError; the store is then unchanged.
    """
    with store.staging.folder() as folder:
        track_as_configured()
        try:
            model = internals.import_model(path, folder)
        except Exception as error:
            raise ModelError(f"{path} is not a model archive that BentoML can read.") from error
        artifact = read_artifact(model.path)
        manifest = artifact.manifest
        if manifest.name != model.name or not is_name(manifest.name):
            raise ArtifactError(
                f"{path} is named {model.name}, but its manifest says {manifest.name}."
            )
        if manifest.created_at > datetime.now(UTC) + _CLOCK_TOLERANCE:
            raise ArtifactError(
                f"{path} was made in the future, at {manifest.created_at}, and would stay "
                "champion until then; correct the clock of one of the machines."
            )
        _check_content(artifact, model)
        artifact.verify()
        artifact.open()
        if check is not None:
            check(artifact)
        return store.publish(model)


def _check_content(artifact: Artifact, model: internals.StoredModel) -> None:
    """Refuse what a version never has: other files, which could be a pickle that BentoML loads, or
    an id that a client could not ask for."""
    known = {*artifact.manifest.files, MANIFEST, BENTOML_INFO}
    unknown = sorted(path.name for path in artifact.path.iterdir() if path.name not in known)
    if unknown:
        raise ArtifactError(
            f"{model.name}:{model.version} contains {unknown[0]}, which its manifest does not name."
        )
    if _VERSION.fullmatch(model.version) is None:
        raise ArtifactError(f"{model.name}:{model.version} is not a tag that BentoML creates.")
