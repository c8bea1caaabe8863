"""Scoring on an existing Dask cluster.

Images are read on this machine and sent to the workers, which need no access to their folder.
Workers need the libraries of requirements/serving.txt but not Pupila: they receive the few modules
that serve and the version's files, as one kit.
"""

import contextlib
import hashlib
import io
import json
import zipfile
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import cloudpickle

import cluster
from errors import ClusterError, PupilaError, first_line
from models.artifact import GOLDEN, GRAPH, MANIFEST
from models.extractor import EXTRACTOR, EXTRACTOR_GOLDEN, EXTRACTOR_GRAPH
from models.files import read_regular
from models.version import Version
from score import remote
from score.scorer import Answers, Image
from score.source import Chunk, load

# They determine the answers, or are needed to read what was sent.
MUST_MATCH = ("numpy", "onnxruntime", "pillow", "pydantic", "simplejpeg")

MODULES = (
    "errors.py",
    "internals.py",
    "images/__init__.py",
    "images/costs.py",
    "images/decoding.py",
    "images/formats.py",
    "images/geometry.py",
    "images/header.py",
    "images/jpeg.py",
    "images/note.py",
    "images/parts.py",
    "images/rendering.py",
    "images/scaling.py",
    "images/spec.py",
    "images/specfields.py",
    "images/spectext.py",
    "models/__init__.py",
    "models/artifact.py",
    "models/extractor.py",
    "models/extractor_operators.py",
    "models/files.py",
    "models/graph.py",
    "models/limits.py",
    "models/manifest.py",
    "models/names.py",
    "models/runtime.py",
    "models/schema.py",
    "models/session.py",
    "models/signature.py",
    "models/source.py",
    "score/__init__.py",
    "score/scorer.py",
)

_ROOT = Path(__file__).resolve().parent.parent
_AHEAD_PER_THREAD = 2
_AHEAD_BYTES = 512 * 2**20


class DaskEngine:
    """Scores on the cluster; has to be closed."""

    def __init__(self, address: str, version: Version, max_pixels: int, keep_scores: bool) -> None:
        """Raises ClusterError if the cluster cannot be used, or not with this version."""
        if version.manifest.backend != "onnx":
            raise ClusterError(
                f"{version.tag} was saved with --backend sklearn, so it can only be used on this "
                "machine: leave --dask out."
            )
        # For good: the client pickles on a thread of its own. A task that it sends by name, when an
        # interrupted run is over, ends every worker that gets it, since none has the module.
        cloudpickle.register_pickle_by_value(remote)
        self._kit = pack(version)
        self._address = address
        self._options = (hashlib.sha256(self._kit).hexdigest(), max_pixels, keep_scores)
        self._client = cluster.connect(address, MUST_MATCH, same_python=True)

    def close(self) -> None:
        self._client.close()

    def answers(self, chunks: Iterable[Chunk]) -> Generator[tuple[Chunk, Answers], None, None]:
        """Each chunk with its answers, in the order in which workers finish.

        Two chunks for each thread of the cluster are submitted, and no more than 512 MiB of them.
        Raises ClusterError if the work fails for any reason other than a lost worker.
        """
        with self._failures(), _large_messages(), ThreadPoolExecutor() as pool:
            # A task, not scattered data: Dask runs it again if the workers that have it die.
            kit = self._client.submit(bytes, self._kit, pure=False)
            waiting: dict[Any, tuple[Chunk, int]] = {}
            ready: SimpleQueue[Any] = SimpleQueue()
            size = 0
            for chunk in chunks:
                images = list(pool.map(load, chunk.images))
                weight = sum(map(len, images))
                while waiting and (len(waiting) >= self._slots() or size + weight > _AHEAD_BYTES):
                    future = ready.get()
                    done, freed = waiting.pop(future)
                    size -= freed
                    yield done, Answers(*future.result())
                future = self._submit(kit, images)
                waiting[future] = (chunk, weight)
                size += weight
                future.add_done_callback(ready.put)
            while waiting:
                future = ready.get()
                yield waiting.pop(future)[0], Answers(*future.result())

    def _slots(self) -> int:
        threads: int = sum(self._client.nthreads().values())
        return max(2, _AHEAD_PER_THREAD * threads)

    def _submit(self, kit: Any, images: list[Image]) -> Any:
        digest, max_pixels, keep_scores = self._options

        # A function inside a function cannot be pickled by name, so Dask sends it by value.
        def score(kit: bytes) -> Any:
            return remote.score(kit, digest, images, max_pixels, keep_scores)

        return self._client.submit(score, kit, pure=False)

    @contextlib.contextmanager
    def _failures(self) -> Iterator[None]:
        try:
            yield
        except PupilaError:
            raise
        except Exception as error:
            raise ClusterError(
                f"The Dask cluster at {self._address} could not score: {first_line(error)}; fix "
                "that, then run the same command to continue."
            ) from error


def pack(version: Version) -> bytes:
    """A ZIP of everything a worker needs besides libraries; the same for the same version."""
    libraries = {name: metadata.version(name) for name in MUST_MATCH}
    artifact = version.artifact
    files = {
        **{f"{remote.CODE}/{name}": (_ROOT / name).read_bytes() for name in MODULES},
        **{f"{remote.ARTIFACT}/{name}": artifact.read(name) for name in (GRAPH, GOLDEN)},
        f"{remote.ARTIFACT}/{MANIFEST}": read_regular(artifact.path / MANIFEST),
        **_extractor(version),
        remote.EXPECTED: json.dumps(libraries).encode(),
    }
    kit = io.BytesIO()
    with zipfile.ZipFile(kit, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return kit.getvalue()


def _extractor(version: Version) -> dict[str, bytes]:
    """The files of the version's extractor, where the version looks for it."""
    extractor = version.artifact.extractor()
    if extractor is None:
        return {}
    reference = extractor.reference
    place = f"{remote.STORE}/{reference.name}/{reference.version}"
    return {
        f"{place}/{EXTRACTOR}": read_regular(extractor.path / EXTRACTOR),
        **{f"{place}/{name}": extractor.read(name) for name in (EXTRACTOR_GRAPH, EXTRACTOR_GOLDEN)},
    }


def _large_messages() -> Any:
    """Dask warns about tasks above 10 MB, which ours are meant to be."""
    import dask

    return dask.config.set({"distributed.admin.large-graph-warning-threshold": "1GB"})
