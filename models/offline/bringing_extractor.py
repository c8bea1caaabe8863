"""An extractor from a file or by the name of the default one, with what was guessed about it."""

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from errors import ArtifactError, ConversionError, ModelError, UnknownVersionError
from images.spec import ImageSpec
from models.extractor import MAX_GRAPH_BYTES, Extractor
from models.extractor_operators import EXTRACTOR_OPERATORS
from models.extractors import Extractors
from models.files import read_regular
from models.limits import limited_memory
from models.manifest import MAX_DIMENSION
from models.offline import lite0
from models.offline.backbone import (
    MAX_LICENSE_BYTES,
    TOLERANCE,
    Backbone,
    cannot_run,
    golden_pixels,
)
from models.offline.default_extractor import default_backbone
from models.offline.extractor_spec import spec_for
from models.offline.graph_pooling import Pool
from models.offline.graph_reader import Fact
from models.offline.surgery import Cut, cut
from models.session import open_session
from models.store import Store

UNSTATED: Final = "not stated"
SUFFIX: Final = ".onnx"
_FORMATS: Final = {
    **dict.fromkeys((".pt", ".pth", ".ckpt", ".bin"), "PyTorch"),
    ".safetensors": "weights alone",
    **dict.fromkeys((".h5", ".hdf5", ".keras"), "Keras"),
    **dict.fromkeys((".pb", ".tflite"), "TensorFlow"),
    ".mlmodel": "Core ML",
    ".pkl": "Python",
}


@dataclass(frozen=True)
class Wish:
    """What is known about a file; None is guessed. ``license`` and ``source`` are for people."""

    name: str | None = None
    image_spec: str | None = None
    input_name: str | None = None
    output: str | None = None
    pool: Pool = "auto"
    license: str | None = None
    license_file: Path | None = None
    source: str | None = None
    tolerance: float = TOLERANCE


@dataclass(frozen=True)
class Brought:
    """An extractor in the store, and what was found out about it."""

    extractor: Extractor
    facts: tuple[Fact, ...] = ()


def chosen(store: Store, what: str) -> Brought:
    """The extractor that a user names: one of the store, the default one, or an ONNX file, which is
    added with what its graph says. Raises UnknownVersionError, or as ``bring`` does."""
    if is_file(what):
        return bring(store, Path(what))
    try:
        found = Extractors(store).get(what)
        if what == lite0.NAME:
            found.verify()
    except (UnknownVersionError, ArtifactError) as error:
        if what == lite0.NAME:
            return bring_default(store)
        format_ = _FORMATS.get(Path(what).suffix.lower())
        if format_ is None and not Path(what).is_file():
            raise
        if format_ is None:
            raise ConversionError(
                f"{what} is taken for an ONNX file only if its name ends in {SUFFIX}."
            ) from error
        raise ConversionError(
            f"{what} is a file of {format_}; export the network to ONNX, as docs/photos.md shows, "
            "and add that file."
        ) from error
    return Brought(found)


def is_file(what: str) -> bool:
    """Whether a user names an ONNX file, and not an extractor."""
    return Path(what).suffix.lower() == SUFFIX


def bring_default(store: Store) -> Brought:
    """Raises ModelError if its package is not installed."""
    backbone = default_backbone()
    return Brought(Extractors(store).save(backbone.name, backbone.write))


def bring(store: Store, path: Path, wish: Wish | None = None) -> Brought:
    """Add the graph of an ONNX file.

    Raises ConversionError for a graph that cannot be an extractor, ArtifactError for a file that is
    not ONNX, ModelError for one that cannot be read, and SpecError.
    """
    wish = wish or Wish()
    name = wish.name or _name_of(path)
    if is_file(name):
        raise ModelError(
            f"Extractor name {name!r} is not valid: what ends in {SUFFIX} is taken for a file."
        )
    Extractors(store).check_name(name)
    try:
        content = read_regular(path.resolve(), MAX_GRAPH_BYTES)
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror}.") from error
    try:
        with limited_memory():
            found = cut(content, wish.input_name, wish.output, wish.pool)
            spec, reason = spec_for(found, wish.image_spec)
            backbone = _checked_dimension(found, spec, name, wish)
            backbone = _with_batch(backbone)
            facts = [*found.facts, reason]
            if backbone.batch == 1:
                facts.append(Fact("batch", "1", "the graph takes one image at a time"))
            return Brought(Extractors(store).save(name, backbone.write), tuple(facts))
    except MemoryError as error:
        raise ModelError(f"{path} needs more memory than is free here.") from error


def _name_of(path: Path) -> str:
    """The file's name in the form of a model's."""
    stem = re.sub(rf"({re.escape(SUFFIX)})+$", "", path.name.lower())
    text = re.sub(r"[^a-z0-9._-]+", "-", stem).strip("-._")[:63].strip("-._")
    return text or "extractor"


def _checked_dimension(found: Cut, spec: ImageSpec, name: str, wish: Wish) -> Backbone:
    """With the length of its embeddings, which one run tells."""
    text = wish.license or UNSTATED
    if wish.license_file is not None:
        try:
            content = read_regular(wish.license_file.resolve(), MAX_LICENSE_BYTES)
            text = content.decode()
        except (OSError, UnicodeDecodeError) as error:
            raise ModelError(f"{wish.license_file} is not a readable text file.") from error
    return Backbone(
        name=name,
        graph=found.graph,
        spec=spec,
        layout=found.sides.layout,
        input_name=found.input_name,
        output_name=found.output_name,
        dimension=dimension_of(found, spec, name),
        license=wish.license or UNSTATED,
        license_text=text,
        source=wish.source or UNSTATED,
        input_type=found.input_type,
        tolerance=wish.tolerance,
    )


def dimension_of(found: Cut, spec: ImageSpec, name: str) -> int:
    """Raises ConversionError if the graph cannot run one image, or gives no embedding of it."""
    features = spec.features(golden_pixels(spec)[:1])
    features = features.reshape(found.sides.shape(spec.height, spec.width))
    try:
        session = open_session(found.graph, 1, EXTRACTOR_OPERATORS)
        (output,) = session.run(
            [found.output_name], {found.input_name: features.astype(found.input_type)}
        )
    except Exception as error:
        raise cannot_run(name, spec, error) from error
    if output.ndim != 2 or len(output) != 1:
        raise ConversionError(
            f"The graph of {name} gives {list(output.shape)} for one image, and no embedding."
        )
    dimension = int(output.shape[1])
    if not 1 <= dimension <= MAX_DIMENSION:
        raise ConversionError(
            f"The graph of {name} gives {dimension:,} numbers for one image; an embedding has 1 to "
            f"{MAX_DIMENSION:,}, so name a later output, or pool."
        )
    return dimension


def _with_batch(backbone: Backbone) -> Backbone:
    """The backbone for many images at once, or for one at a time if its graph takes no more."""
    return backbone if backbone.takes_batches() else replace(backbone, batch=1)
