"""Takes the file of an estimator from where it is: a path, a folder, or an MLflow server."""

import hashlib
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from errors import SourceError
from models.files import open_regular
from models.names import is_name
from models.offline.mlflow_registry import Located, MlflowServer
from models.offline.model_folder import MLMODEL, Described, read_folder, read_mlmodel
from models.source import Source, is_uri

_PIECE: Final = 2**20


@dataclass(frozen=True)
class Taken:
    """``path``: of the file that holds the estimator; ``lines``: what was found, for a person;
    ``name``: that the model could have here."""

    path: Path
    source: Source
    described: Described
    lines: tuple[str, ...] = ()
    name: str | None = None


@dataclass(frozen=True)
class Registry:
    """The MLflow server to ask, if one is named, and the header that says who asks."""

    uri: str | None = None
    authorization: str | None = None


@contextmanager
def take(text: str, registry: Registry) -> Iterator[Taken]:
    """What ``text`` names; a file that was downloaded is gone afterwards. Nothing is loaded.

    Raises SourceError.
    """
    if is_uri(text):
        with tempfile.TemporaryDirectory(prefix="pupila-") as folder:
            yield _from_mlflow(text, registry, Path(folder))
        return
    path = Path(text)
    if not path.is_dir():
        yield Taken(path, _source(path.name, path), Described(path.name))
        return
    file, described = read_folder(path)
    name = path.resolve().name
    source = _source(name, file, described)
    yield Taken(file, source, described, (f"Taken: {described.file} of {path}.",))


def _from_mlflow(text: str, registry: Registry, folder: Path) -> Taken:
    if registry.uri is None:
        raise SourceError(
            f"{text} is on an MLflow server: say where that is, by --tracking-uri or "
            "MLFLOW_TRACKING_URI."
        )
    server = MlflowServer(registry.uri, registry.authorization)
    located = server.locate(text)
    described = _described(server, located)
    path = folder / described.file.rpartition("/")[2]
    server.download(located, described.file, path)
    version = f"{located.name}/{located.version}" if located.version else None
    source = _source(text, path, described).model_copy(
        update={"server": server.host, "version": version, "run": located.run or None}
    )
    line = (
        f"{text} is {located.what}: {described.file}, {path.stat().st_size:,} bytes, SHA-256 "
        f"{source.sha256[:12]}."
    )
    name = located.name if located.version and is_name(located.name) else None
    return Taken(path, source, described, (line,), name)


def _described(server: MlflowServer, located: Located) -> Described:
    text = server.text(located, MLMODEL)
    if text is None:
        raise SourceError(
            f"MLflow at {server.host} has no model at {located.uri}: there is no MLmodel file in "
            f"that folder."
        )
    try:
        return read_mlmodel(text, lambda name: server.text(located, name))
    except SourceError as error:
        raise SourceError(f"{located.uri} cannot be imported. {error}") from None


def _source(uri: str, path: Path, described: Described | None = None) -> Source:
    digest = hashlib.sha256()
    try:
        with open_regular(path.resolve(), sys.maxsize) as file:
            while piece := file.read(_PIECE):
                digest.update(piece)
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror or error}.") from error
    return Source(
        uri=uri[:2000],
        file=path.name,
        sha256=digest.hexdigest(),
        scikit_learn=described.scikit_learn if described else None,
    )
