"""An extractor: an ONNX image backbone, the first stage of versions; architecture/0017-photos.md.

It lies in the store as ``<name>/<version>/``, like a version of a model, and is of a kind of its
own: its manifest is ``extractor.json``. Its version is made of its content, so that the same one
added twice, or on two machines, is one. Nothing here needs more than NumPy, ONNX Runtime and
pydantic.
"""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

import internals
from errors import ArtifactError, first_line
from images.spec import ImageSpec
from models.extractor_operators import EXTRACTOR_OPERATORS
from models.files import load_arrays, read_regular
from models.limits import limited_memory
from models.manifest import MAX_DIMENSION, ExtractorReference, FileName, Sha256
from models.names import NAME
from models.schema import digest, parsed
from models.session import CPU, open_session

EXTRACTOR: Final = "extractor.json"
EXTRACTOR_GRAPH: Final = "extractor.onnx"
EXTRACTOR_GOLDEN: Final = "golden.npz"
LICENSE: Final = "license.txt"

MAX_GRAPH_BYTES: Final = 512 * 2**20
"""ViT-B/16 has 345 MB; what is larger takes seconds an image on the CPUs that this is for."""

_MAX_MANIFEST_BYTES: Final = 2**20
_MAX_GOLDEN_BYTES: Final = 64 * 2**20
# Images that a session takes at once. A pass costs about as much an image in any batch, and the
# memory of its layers grows with it: 40 MB for eight of EfficientNet-Lite0.
_BATCH: Final = 8


class ExtractorManifest(BaseModel):
    """All metadata of an extractor.

    ``files``: SHA-256 of every other file, the graph among them. ``tolerance``: how far an
    embedding may be from that of the same image in another batch or on another processor, as a
    share of the largest number of the golden ones. ``batch``: 1 for a graph that takes one image
    only, else None.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = 1
    kind: Literal["extractor"] = "extractor"
    name: str = Field(pattern=NAME)
    created_at: AwareDatetime
    image_spec: ImageSpec
    layout: Literal["NCHW", "NHWC"]
    input_name: str = Field(max_length=200)
    input_type: Literal["float32", "float16", "uint8"] = "float32"
    output_name: str = Field(max_length=200)
    dimension: int = Field(ge=1, le=MAX_DIMENSION)
    batch: Literal[1] | None = None
    tolerance: float = Field(gt=0, le=0.2)
    license: str = Field(max_length=200, description="its name, such as Apache-2.0")
    source: str = Field(max_length=500, description="where the graph came from")
    operators: tuple[str, ...]
    libraries: dict[str, str]
    files: dict[FileName, Sha256]


@dataclass(frozen=True)
class Extractor:
    """The files of one extractor. ``sha256``: the content of its manifest; see ``content_of``."""

    path: Path
    manifest: ExtractorManifest
    sha256: str

    @property
    def tag(self) -> str:
        return f"{self.manifest.name}:{version_of(self.sha256)}"

    @property
    def reference(self) -> ExtractorReference:
        """What the manifest of a version that uses it says."""
        return ExtractorReference(
            name=self.manifest.name,
            version=version_of(self.sha256),
            sha256=self.sha256,
            dimension=self.manifest.dimension,
        )

    def read(self, name: str, limit: int = MAX_GRAPH_BYTES) -> bytes:
        """A file's content, once its SHA-256 was found equal to the manifest's.

        Raises ArtifactError if it is missing, altered, larger than ``limit`` bytes, no regular
        file, or not in the manifest.
        """
        expected = self.manifest.files.get(name)
        if expected is None:
            raise ArtifactError(f"The manifest of the extractor {self.tag} does not list {name}.")
        try:
            content = read_regular(self.path / name, limit)
        except OSError as error:
            raise ArtifactError(
                f"{name} of the extractor {self.tag} cannot be read: {error.strerror}."
            ) from error
        if hashlib.sha256(content).hexdigest() != expected:
            raise ArtifactError(
                f"{name} of the extractor {self.tag} is not the file that was saved: its SHA-256 "
                "differs from the manifest's; restore it, or add the extractor again."
            )
        return content

    def verify(self) -> None:
        """Check every file; raises ArtifactError for the first that is wrong."""
        for name in self.manifest.files:
            self.read(name)

    def open(self, threads: int = 1, providers: Sequence[str] = (CPU,)) -> "Embedder":
        """What computes embeddings on ``threads`` threads, once it has reproduced the golden ones.

        ``providers``: ONNX Runtime's, the preferred one first.

        Raises ArtifactError if a file was altered, the graph may not run, or its embeddings differ
        by more than the tolerance.
        """
        with limited_memory():
            embedder = Embedder(self.read(EXTRACTOR_GRAPH), self.manifest, threads, providers)
            try:
                self._replay(embedder)
            except ArtifactError:
                raise
            except Exception as error:
                raise ArtifactError(
                    f"The extractor {self.tag} cannot run its golden images: {first_line(error)}."
                ) from error
        return embedder

    def _replay(self, embedder: "Embedder") -> None:
        content = self.read(EXTRACTOR_GOLDEN, _MAX_GOLDEN_BYTES)
        try:
            golden = load_arrays(content, _MAX_GOLDEN_BYTES)
        except (ValueError, OSError, EOFError, BadZipFile, MemoryError) as error:
            raise ArtifactError(
                f"{EXTRACTOR_GOLDEN} of the extractor {self.tag} cannot be read as arrays: "
                f"{first_line(error)}."
            ) from error
        features = self.manifest.image_spec.features(golden["pixels"])
        self.compare(embedder.run(features), golden["embeddings"])

    def compare(self, found: NDArray[np.float32], golden: NDArray[np.float32]) -> None:
        """Raise ArtifactError if embeddings differ from golden ones by more than the tolerance."""
        if found.shape != golden.shape:
            raise ArtifactError(
                f"The extractor {self.tag} gives {found.shape[-1]} numbers an image instead of "
                f"{golden.shape[-1]}."
            )
        worst = difference(found, golden)
        if not worst <= self.manifest.tolerance:
            raise ArtifactError(
                f"The extractor {self.tag} does not reproduce its golden embeddings (largest "
                f"difference {worst:.2g} of the largest number, and {self.manifest.tolerance:g} is "
                "allowed), so it cannot be used here."
            )


class Embedder:
    """An extractor's graph in ONNX Runtime. Any thread may call it, also several at a time."""

    def __init__(
        self,
        model: bytes,
        manifest: ExtractorManifest,
        threads: int = 1,
        providers: Sequence[str] = (CPU,),
    ) -> None:
        """Raises ArtifactError for a graph that may not run or cannot."""
        self.manifest = manifest
        self.dimension = manifest.dimension
        self._session = open_session(model, threads, EXTRACTOR_OPERATORS, providers)
        self._batch = manifest.batch or _BATCH
        spec = manifest.image_spec
        height, width, channels = spec.height, spec.width, spec.channels
        self._shape = (
            (channels, height, width) if manifest.layout == "NCHW" else (height, width, channels)
        )
        self._dtype = np.dtype(manifest.input_type)

    def run(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """float32 [N, dimension] of ``features``, float32 [N, n_features] as the image spec of the
        extractor makes them. Its memory does not grow with N, but for the result."""
        found = np.empty((len(features), self.dimension), np.float32)
        for start in range(0, len(features), self._batch):
            rows = slice(start, start + self._batch)
            part = features[rows].reshape(-1, *self._shape).astype(self._dtype, copy=False)
            (output,) = self._session.run(
                [self.manifest.output_name], {self.manifest.input_name: part}
            )
            found[rows] = output.reshape(len(part), self.dimension)
        return found

    def shrink(self) -> None:
        """Give back the memory that larger batches have taken: 65 MB of 190 after eight images of
        EfficientNet-Lite0, which ONNX Runtime would keep."""
        options = internals.silent_onnxruntime().RunOptions()
        options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
        image = np.zeros((1, *self._shape), self._dtype)
        self._session.run([self.manifest.output_name], {self.manifest.input_name: image}, options)


def difference(found: NDArray[np.float32], golden: NDArray[np.float32]) -> float:
    """The largest difference of two arrays, as a share of the largest number of ``golden``."""
    if not golden.size:
        return 0.0
    scale = float(np.abs(golden).max()) or 1.0
    return float(np.abs(found - golden).max()) / scale


def is_extractor(path: Path) -> bool:
    """Whether a folder of the store is that of an extractor, and so of no version."""
    return (path / EXTRACTOR).exists()


def read_extractor(path: Path) -> Extractor:
    """The extractor in a folder, once its manifest was found to follow the schema.

    Raises ArtifactError if there is none, or one of another schema.
    """
    try:
        text = read_regular(path / EXTRACTOR, _MAX_MANIFEST_BYTES)
    except OSError as error:
        raise ArtifactError(
            f"{path.parent.name}:{path.name} has no readable {EXTRACTOR}, so it is not an "
            "extractor."
        ) from error
    manifest, fields = parsed(ExtractorManifest, text, f"{EXTRACTOR} of {path.name}")
    return Extractor(path, manifest, content_of(fields))


# Two machines that add the same extractor may differ in these.
_NOT_CONTENT: Final = frozenset({"created_at", "libraries"})


def content_of(fields: Mapping[str, Any]) -> str:
    """SHA-256 of the fields of a manifest, as its JSON has them, without date and libraries."""
    return digest(fields, _NOT_CONTENT)


def version_of(sha256: str) -> str:
    """The version of an extractor, in the form of BentoML's: 16 of ``a`` to ``z``, ``2`` to ``7``.

    80 bits of its content; ``sha256`` itself is compared wherever it is used.
    """
    return base64.b32encode(bytes.fromhex(sha256)).decode().lower()[:16]
