"""A graph that may become an extractor: checked as a version is, then written.

Its golden images are drawn here, not taken from anybody: noise, flat color, waves and a gradient.
"""

import hashlib
import io
import platform
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from errors import ConversionError, ModelError, first_line
from images.spec import ImageSpec
from models.extractor import (
    EXTRACTOR,
    EXTRACTOR_GOLDEN,
    EXTRACTOR_GRAPH,
    LICENSE,
    MAX_GRAPH_BYTES,
    Embedder,
    ExtractorManifest,
    difference,
)
from models.extractor_operators import EXTRACTOR_OPERATORS
from models.graph import Contents
from models.limits import limited_memory
from models.schema import fault_of

TOLERANCE: Final = 1e-3
"""Of the largest number of the golden embeddings; between batches we have seen 2e-6."""

MAX_LICENSE_BYTES: Final = 256 * 1024


@dataclass(frozen=True)
class Backbone:
    """A graph with one input and one output, [N, dimension], and what is known about it.

    ``license``: its name; ``license_text``: the whole of it. ``tolerance``: see the manifest.
    """

    name: str
    graph: bytes
    spec: ImageSpec
    layout: Literal["NCHW", "NHWC"]
    input_name: str
    output_name: str
    dimension: int
    license: str
    license_text: str
    source: str
    input_type: Literal["float32", "float16", "uint8"] = "float32"
    batch: Literal[1] | None = None
    tolerance: float = TOLERANCE

    def write(self, folder: Path) -> dict[str, object]:
        """Check the graph and write all files; returns the fields of the manifest.

        Raises ConversionError if the graph may not run, cannot, or gives an image in a batch
        another embedding than alone, and ModelError for a license text that is too long.
        """
        license_text = self.license_text.encode()
        if len(license_text) > MAX_LICENSE_BYTES:
            raise ModelError(
                f"The license text has {len(license_text):,} bytes; give one of at most "
                f"{MAX_LICENSE_BYTES:,}."
            )
        draft = self.draft({})
        pixels = golden_pixels(self.spec)
        try:
            with limited_memory():
                embedder = self._embedder(draft)
                embeddings = self._checked(embedder, self.spec.features(pixels))
        except ConversionError:
            raise
        except Exception as error:
            raise cannot_run(self.name, self.spec, error) from error
        buffer = io.BytesIO()
        np.savez_compressed(buffer, allow_pickle=False, pixels=pixels, embeddings=embeddings)
        files = {
            EXTRACTOR_GRAPH: self.graph,
            EXTRACTOR_GOLDEN: buffer.getvalue(),
            LICENSE: license_text,
        }
        for name, content in files.items():
            (folder / name).write_bytes(content)
        manifest = self.draft(
            {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
        )
        (folder / EXTRACTOR).write_text(manifest.model_dump_json(indent=2) + "\n")
        fields: dict[str, object] = manifest.model_dump(mode="json")
        return fields

    def takes_batches(self) -> bool:
        """Whether it runs two images at once; a graph may have been saved for one."""
        draft = self.draft({})
        try:
            with limited_memory():
                embedder = self._embedder(draft)
                embedder.run(self.spec.features(golden_pixels(self.spec)[:2]))
        except Exception:  # noqa: BLE001 - whatever ONNX Runtime raises
            return False
        return True

    def _embedder(self, manifest: ExtractorManifest) -> Embedder:
        if len(self.graph) > MAX_GRAPH_BYTES:
            raise ConversionError(
                f"The graph of {self.name} has {len(self.graph) / 2**20:,.0f} MB; the limit is "
                f"{MAX_GRAPH_BYTES // 2**20:,}."
            )
        fault = Contents.of(self.graph).fault_within(EXTRACTOR_OPERATORS)
        if fault is not None:
            raise ConversionError(f"The graph of {self.name} cannot be used: it has {fault}.")
        return Embedder(self.graph, manifest)

    def _checked(self, embedder: Embedder, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """float32 [N, dimension], found equal in a batch and alone."""
        together = embedder.run(features)
        if not np.isfinite(together).all():
            raise ConversionError(
                f"The graph of {self.name} gives numbers that are not finite; its scale is "
                "probably another one than the image spec's."
            )
        alone = np.concatenate(
            [embedder.run(features[row : row + 1]) for row in range(len(features))]
        )
        worst = difference(alone, together)
        if not worst <= self.tolerance:
            raise ConversionError(
                f"The graph of {self.name} gives an image another embedding in a batch than alone "
                f"(largest difference {worst:.2g} of the largest number, and {self.tolerance:g} is "
                "allowed)."
            )
        apart = np.abs(together - together[:1]).max()
        if len(together) > 1 and not apart > 0:
            raise ConversionError(f"The graph of {self.name} gives every image the same embedding.")
        return together

    def draft(self, files: dict[str, str]) -> ExtractorManifest:
        """The manifest with these files. Raises ConversionError for what it cannot say."""
        try:
            return ExtractorManifest(
                name=self.name,
                created_at=datetime.now(UTC),
                image_spec=self.spec,
                layout=self.layout,
                input_name=self.input_name,
                input_type=self.input_type,
                output_name=self.output_name,
                dimension=self.dimension,
                batch=self.batch,
                tolerance=self.tolerance,
                license=self.license,
                source=self.source,
                operators=Contents.of(self.graph).operators,
                libraries=_libraries(),
                files=files,
            )
        except ValidationError as error:
            raise ConversionError(
                f"{self.name!r} cannot be an extractor: {fault_of(error)}."
            ) from error


def cannot_run(name: str, spec: ImageSpec, error: Exception) -> ConversionError:
    """What to raise for an error of ONNX Runtime."""
    text = first_line(error)
    if isinstance(error, MemoryError) or "allocate" in text or "bad_alloc" in text:
        return ConversionError(
            f"The graph of {name} needs more memory for images of {spec.name} than is free here."
        )
    return ConversionError(f"The graph of {name} cannot run images of {spec.name}: {text}.")


def golden_pixels(spec: ImageSpec) -> NDArray[np.uint8]:
    """Four drawn images, uint8 [4, n_features], the same on every machine."""
    shape = (spec.height, spec.width, spec.channels)
    rows, columns, channels = np.indices(shape)
    noise = (rows * 7919 + columns * 104_729 + channels * 1_299_709) * 2_654_435_761 >> 16 & 255
    checks = ((rows // 8 + columns // 8) % 2) * 200 + channels * 20
    gradient = (rows * 255 // max(1, spec.height - 1) + columns + channels * 40) % 256
    rings = ((rows - spec.height // 2) ** 2 + (columns - spec.width // 2) ** 2) // 64 % 256
    images: list[NDArray[Any]] = [noise, checks, gradient, rings]
    return np.stack(images).astype(np.uint8).reshape(4, -1)


def _libraries() -> dict[str, str]:
    names = ("numpy", "onnxruntime", "pillow")
    return {"python": platform.python_version(), **{name: installed(name) for name in names}}
