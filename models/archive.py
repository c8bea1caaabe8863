"""A version as one ``.bentomodel`` file, to move it from one machine to another."""

import io
import lzma
import re
import shutil
import tarfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import internals
from errors import ArtifactError, ModelError
from internals import StoredModel
from models.artifact import MANIFEST, Artifact, read_artifact
from models.extractor import Extractor
from models.extractor_archive import NESTED, borrow, packed_with, place
from models.extractors import Extractors
from models.files import MAX_FILE_BYTES, open_regular
from models.info import BENTOML_INFO, read_info
from models.names import is_name
from models.signature import SIGNATURE
from models.store import Store
from models.tracking import track_as_configured
from models.version import Version

SUFFIX: Final = ".bentomodel"

_VERSION: Final = re.compile(r"[a-z2-7]{16}")
_CLOCK_TOLERANCE: Final = timedelta(hours=1)
# A version has ten files. A few KB of an archive unpack to gigabytes, if somebody means them to.
_MAX_MEMBERS: Final = 100
MAX_ARCHIVE_BYTES: Final = 2 * MAX_FILE_BYTES

_UNPACKED: Final = "unpacked"
_TAR: Final = "archive.tar"
_ROOT: Final = "root"
_CHUNK: Final = 2**20
_PIECE_BYTES: Final = 16 * 2**20


def export_version(store: Store, version: Version, path: Path) -> Path:
    """Write a version to one file; returns its path.

    ``path`` is the file, or a folder to write it into. Raises ModelError if the file exists or
    cannot be written, and if the version contains anything but files.
    """
    _check_files(version.path)
    name = f"{version.name}-{version.version}{SUFFIX}"
    path = path.absolute()  # BentoML would resolve a relative one from the root.
    target = path / name if path.is_dir() else path.with_suffix(SUFFIX)
    with store.staging.folder() as folder:
        track_as_configured()
        root = version.path.parent.parent
        if version.manifest.extractor is not None:
            root = packed_with(version, folder)
        archive = internals.export_model(version.tag, root, folder / name)
        try:
            with target.open("xb") as file, archive.open("rb") as source:
                shutil.copyfileobj(source, file)
        except FileExistsError:
            raise ModelError(f"{target} exists already and is not overwritten.") from None
        except OSError as error:
            raise ModelError(f"{target} cannot be written: {error.strerror}.") from error
    return target


def try_here(artifact: Artifact) -> None:
    """Check a version's files, and load it, in this process; raises ModelError."""
    artifact.verify()
    artifact.open()


def import_version(
    store: Store,
    path: Path,
    check: Callable[[Artifact], object] = try_here,
    limit: int = MAX_ARCHIVE_BYTES,
) -> Version:
    """Add the version in a ``.bentomodel`` file to the store, once ``check`` raises nothing.

    ``check`` is what finds out whether all files match the manifest and the version answers its
    golden examples. ``limit``: of the bytes that the archive unpacks to. A version that is there,
    but lacks its extractor, is given that one. Raises ModelError or ArtifactError; the store is
    then unchanged.
    """
    with store.staging.folder() as folder:
        unpacked = folder / _UNPACKED
        unpacked.mkdir()
        _unpack(path, _decompressed(path, folder, limit), unpacked)
        name, version = read_info(unpacked)
        extractor = _nested(unpacked, folder, limit)
        artifact = read_artifact(unpacked, store.trusted)
        manifest = artifact.manifest
        if manifest.name != name or not is_name(name):
            raise ArtifactError(f"{path} is named {name}, but its manifest says {manifest.name}.")
        if _VERSION.fullmatch(version) is None:
            raise ArtifactError(f"{name}:{version} is not a tag that BentoML creates.")
        if manifest.created_at > datetime.now(UTC) + _CLOCK_TOLERANCE:
            raise ArtifactError(
                f"{path} was made in the future, at {manifest.created_at}, and would stay "
                "champion until then; correct the clock of one of the machines."
            )
        staged = folder / _ROOT / name / version
        staged.parent.mkdir(parents=True, exist_ok=True)
        artifact = read_artifact(unpacked.rename(staged), store.trusted)
        _check_content(artifact, f"{name}:{version}")
        if extractor is None:
            borrow(store, artifact, folder / _ROOT)
        elif artifact.manifest.extractor != extractor.reference:
            raise ArtifactError(f"{path} contains an extractor that {name}:{version} does not use.")
        check(artifact)
        if extractor is not None and Extractors(store).adopt(extractor):
            for known in store.versions(name):
                if known.version == version and known.manifest == manifest:
                    return known
        return store.publish(StoredModel(name, version, staged))


def _nested(unpacked: Path, folder: Path, limit: int) -> Extractor | None:
    """The extractor in an unpacked version, taken out of it, checked, and placed beside."""
    nested = unpacked / NESTED
    if not nested.exists():
        return None
    target = folder / "extractor"
    target.mkdir()
    (folder / _TAR).unlink()
    _unpack(nested, _decompressed(nested, folder, limit), target)
    nested.unlink()
    return place(target, folder / _ROOT)


class _Pieces(io.FileIO):
    """A file that is read in pieces: the headers of an archive may claim to be gigabytes long."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or not 0 <= size <= _PIECE_BYTES:
            raise ValueError(size)
        return super().read(size) or b""


def _decompressed(path: Path, folder: Path, limit: int) -> Path:
    """The archive without its compression, in ``folder``.

    Raises ModelError if it is not one, or has more than ``limit`` bytes.
    """
    target = folder / _TAR
    left = limit
    try:
        # A link is followed: it is the user who names it.
        with (
            open_regular(path.resolve()) as compressed,
            lzma.open(compressed) as source,
            target.open("xb") as file,
        ):
            while piece := source.read(_CHUNK):
                left -= len(piece)
                if left < 0:
                    raise ModelError(
                        f"{path} unpacks to more than {limit:,} bytes, the limit of an archive."
                    )
                file.write(piece)
    except (lzma.LZMAError, EOFError) as error:
        raise _unreadable(path) from error
    except OSError as error:
        raise ModelError(f"{path} cannot be unpacked: {error.strerror}.") from error
    return target


def _unpack(path: Path, tar: Path, folder: Path) -> None:
    """Write the files of ``tar``, of the archive ``path``, into ``folder``.

    Raises ModelError if it contains anything but files.
    """
    try:
        with _Pieces(tar) as file, tarfile.open(fileobj=file, mode="r:") as archive:
            for number, member in enumerate(archive):
                name = member.name.removeprefix("./")
                if member.isdir() and name in ("", "."):
                    continue
                if number >= _MAX_MEMBERS or not member.isreg() or Path(name).name != name:
                    raise ModelError(
                        f"{path} contains more than the files of a version: {ascii(name)[1:-1]}."
                    )
                source = archive.extractfile(member)
                assert source is not None  # noqa: S101 - it is a file
                with (folder / name).open("xb") as target:
                    shutil.copyfileobj(source, target, _CHUNK)
    except FileExistsError:
        raise ModelError(f"{path} contains a file twice.") from None
    except (tarfile.TarError, EOFError, ValueError) as error:
        raise _unreadable(path) from error
    except OSError as error:
        raise ModelError(f"{path} cannot be unpacked: {error.strerror or error}.") from error
    if not (folder / BENTOML_INFO).exists():
        raise _unreadable(path)


def _unreadable(path: Path) -> ModelError:
    return ModelError(f"{path} is not a model archive that can be read.")


def _check_files(folder: Path) -> None:
    """Raise ModelError for what BentoML would not archive as it is, or would wait for."""
    for path in folder.iterdir():
        if path.is_symlink() or not path.is_file():
            raise ModelError(
                f"{folder.name} contains {path.name}, which is not a regular file, so it cannot be "
                "exported."
            )


def _check_content(artifact: Artifact, tag: str) -> None:
    """Refuse other files than those of a version, which could be a pickle that BentoML loads."""
    known = {*artifact.manifest.files, MANIFEST, BENTOML_INFO, SIGNATURE}
    unknown = sorted(path.name for path in artifact.path.iterdir() if path.name not in known)
    if unknown:
        raise ArtifactError(f"{tag} contains {unknown[0]}, which its manifest does not name.")
