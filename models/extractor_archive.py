"""The extractor of a version, within the file that the version is exported to.

It lies there as a file of its own kind, ``extractor.bentomodel``: an archive in the archive.
"""

import shutil
from pathlib import Path
from typing import Final

import internals
from errors import ArtifactError
from models.artifact import Artifact
from models.extractor import EXTRACTOR, LICENSE, Extractor, read_extractor, version_of
from models.extractors import Extractors
from models.info import BENTOML_INFO, read_info
from models.store import Store
from models.version import Version

NESTED: Final = "extractor.bentomodel"


def packed_with(version: Version, folder: Path) -> Path:
    """A store in ``folder`` with a copy of the version, its extractor's archive within, to be
    exported. Raises ArtifactError without the extractor, ModelError or OSError."""
    extractor = version.artifact.extractor()
    root = folder / "packed"
    copy = root / version.name / version.version
    shutil.copytree(version.path, copy)
    if extractor is not None:
        extractor.verify()
        path = extractor.path
        made = internals.export_model(
            f"{path.parent.name}:{path.name}", path.parent.parent, folder / NESTED
        )
        shutil.move(made, copy / NESTED)
    return root


def place(unpacked: Path, root: Path) -> Extractor:
    """Move the files of an unpacked extractor to where a store would have them, below ``root``.

    Raises ArtifactError if they are not those of an extractor, or there are others.
    """
    name, version = read_info(unpacked)
    extractor = read_extractor(unpacked)
    expected = (extractor.manifest.name, version_of(extractor.sha256))
    if (name, version) != expected:
        raise ArtifactError(f"The extractor {name}:{version} should be {':'.join(expected)}.")
    known = {*extractor.manifest.files, EXTRACTOR, BENTOML_INFO}
    unknown = sorted(path.name for path in unpacked.iterdir() if path.name not in known)
    if unknown or LICENSE not in known:
        raise ArtifactError(f"The extractor contains {(unknown or ['no license'])[0]}.")
    target = root / name / version
    target.parent.mkdir(parents=True, exist_ok=True)
    return read_extractor(unpacked.rename(target))


def borrow(store: Store, artifact: Artifact, root: Path) -> None:
    """Let a version that is not in the store yet find its extractor that is: by a link beside it.

    Raises ArtifactError if the store does not have it.
    """
    wanted = artifact.manifest.extractor
    if wanted is None:
        return
    for known in Extractors(store).all(wanted.name):
        if known.sha256 == wanted.sha256:
            link = root / wanted.name / wanted.version
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(known.path.absolute())
            return
    raise ArtifactError(
        f"{artifact.manifest.name} needs the extractor {wanted.name}:{wanted.version}, which is "
        "neither in the file nor in the store."
    )
