"""Scoring on an existing Dask cluster.

Images are read on this machine and sent to the workers, which need not see the folder they are in.
Workers need the libraries of requirements/serving.txt and not Pupila: they are sent the few modules
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
from errors import ClusterError, PupilaError
from models.artifact import GOLDEN, GRAPH, MANIFEST
from models.version import Version
from score import remote
from score.scorer import Answers, Image
from score.source import Chunk, load

# What decides the answers, or is needed to read what was sent.
MUST_MATCH = ("numpy", "onnxruntime", "pillow", "pydantic", "simplejpeg")

MODULES = (
    "errors.py",
    "models/__init__.py",
    "models/artifact.py",
    "images/header.py",
    "images/decoding.py",
    "images/jpeg.py",
    "models/manifest.py",
    "models/runtime.py",
    "images/spec.py",
    "score/__init__.py",
    "score/scorer.py",
)

_ROOT = Path(__file__).resolve().parent.parent
_AHEAD_PER_THREAD = 2
_AHEAD_BYTES = 512 * 2**20


class DaskEngine:
    """A client of the cluster; ``close`` it."""

    def __init__(self, address: str, version: Version, max_pixels: int, keep_scores: bool) -> None:
        """Raises ClusterError if the cluster, or the version on it, cannot be used."""
        if version.manifest.backend != "onnx":
            raise ClusterError(
                f"{version.tag} was saved with --backend sklearn and can only be scored on this "
                "machine: leave --dask out."
            )
        self._kit = pack(version)
        self._address = address
        self._options = (hashlib.sha256(self._kit).hexdigest(), max_pixels, keep_scores)
        self._client = cluster.connect(address, MUST_MATCH, same_python=True)

    def close(self) -> None:
        self._client.close()

    def answers(self, chunks: Iterable[Chunk]) -> Generator[tuple[Chunk, Answers], None, None]:
        """Each chunk with its answers, in the order in which workers are done.

        Two chunks for each thread of the cluster are under way, and no more than 512 MiB of them.
        Raises ClusterError if the work fails for another reason than a worker that was lost.
        """
        with self._failures(), _large_messages(), ThreadPoolExecutor() as pool:
            # A task rather than scattered data: it is done again if the workers that have it die.
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
        cloudpickle.register_pickle_by_value(remote)
        try:
            yield
        except PupilaError:
            raise
        except Exception as error:
            reason = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
            raise ClusterError(
                f"The Dask cluster at {self._address} could not score: {reason}; mend that, and "
                "run the same command to go on."
            ) from error
        finally:
            cloudpickle.unregister_pickle_by_value(remote)


def pack(version: Version) -> bytes:
    """A ZIP of all that a worker needs besides libraries; the same for the same version."""
    libraries = {name: metadata.version(name) for name in MUST_MATCH}
    artifact = version.artifact
    files = {
        **{f"{remote.CODE}/{name}": (_ROOT / name).read_bytes() for name in MODULES},
        **{f"{remote.ARTIFACT}/{name}": artifact.read(name) for name in (GRAPH, GOLDEN)},
        f"{remote.ARTIFACT}/{MANIFEST}": (artifact.path / MANIFEST).read_bytes(),
        remote.EXPECTED: json.dumps(libraries).encode(),
    }
    kit = io.BytesIO()
    with zipfile.ZipFile(kit, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return kit.getvalue()


def _large_messages() -> Any:
    """Dask warns of tasks above 10 MB, which ours may be and are meant to be."""
    import dask

    return dask.config.set({"distributed.admin.large-graph-warning-threshold": "1GB"})
