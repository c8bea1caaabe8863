"""An extractor in int8: a third of the size, and faster on most CPUs.

Static, as ONNX Runtime does it (https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html):
each layer's range is taken from images of the training set; weights channel by channel. Whether the
accuracy holds is for whoever trains on it: ``Quantization`` says what was found.
"""

import logging
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from errors import ConversionError, first_line
from models.extractor import EXTRACTOR_GRAPH, LICENSE, Embedder, Extractor
from models.manifest import Quantization
from models.offline.backbone import Backbone
from models.pixels import Pixels

CALIBRATED: Final = 128
"""Images whose ranges are taken: with more, our embeddings came no closer."""

TOLERANCE: Final = 0.02
"""Of the largest number: processors that round one layer differently differ by steps of 1/255."""

MAX_LOSS: Final = 0.01
"""How much accuracy may be lost, of 1, unless somebody says otherwise."""

SUFFIX: Final = "-int8"

# What operators are called that compute in int8, as operators of their own or in pairs.
_IN_INT8: Final = (
    *(b"QLinear", b"QuantizeLinear", b"DequantizeLinear"),
    *(b"ConvInteger", b"MatMulInteger"),
)

_BATCH: Final = 8
_TIMED: Final = 5
# What is left in float is cheap: pooling, and what has no kernel for int8.
_QUANTIZED: Final = ("Add", "Clip", "Concat", "Conv", "Gemm", "MatMul", "MaxPool", "Relu")


def quantized(extractor: Extractor, pixels: Pixels) -> Backbone:
    """The same network in int8, named as it is with ``-int8``.

    ``pixels``: uint8 [N, n_features], images to take the ranges from, of which a part is used.
    Raises ConversionError for a graph that has nothing to quantize, or that ONNX Runtime cannot.
    """
    manifest = extractor.manifest
    check_quantizable(extractor)
    graph = _int8(extractor, _chosen(pixels))
    return Backbone(
        name=manifest.name[: 63 - len(SUFFIX)] + SUFFIX,
        graph=graph,
        spec=manifest.image_spec,
        layout=manifest.layout,
        input_name=manifest.input_name,
        output_name=manifest.output_name,
        dimension=manifest.dimension,
        license=manifest.license,
        license_text=extractor.read(LICENSE).decode(),
        source=f"{extractor.tag} in int8; {manifest.source}"[:500],
        batch=manifest.batch,
        tolerance=max(manifest.tolerance, TOLERANCE),
    )


def check_quantizable(extractor: Extractor) -> None:
    """Raise ConversionError for one that takes no float32, or is in int8 already."""
    if extractor.manifest.input_type != "float32":
        raise ConversionError(
            f"The extractor {extractor.tag} takes {extractor.manifest.input_type}; only one that "
            "takes float32 can be quantized."
        )
    if any(kind in extractor.read(EXTRACTOR_GRAPH) for kind in _IN_INT8):
        raise ConversionError(
            f"The extractor {extractor.tag} is in int8 already; leave --quantize out."
        )


def compared(
    whole: Extractor,
    small: Extractor,
    *,
    images: int,
    accuracy: float,
    accuracy_int8: float,
    max_loss: float,
) -> Quantization:
    """What int8 costs and saves: the accuracies are those of classifiers on the embeddings of each,
    of the same held-out images."""
    features = np.zeros((1, whole.manifest.image_spec.n_features), np.float32)
    return Quantization(
        extractor=whole.tag,
        images=images,
        accuracy=accuracy,
        accuracy_int8=accuracy_int8,
        max_loss=max_loss,
        bytes=len(whole.read(EXTRACTOR_GRAPH)),
        bytes_int8=len(small.read(EXTRACTOR_GRAPH)),
        speed=_seconds(whole.open(), features) / _seconds(small.open(), features),
    )


def _chosen(pixels: Pixels) -> NDArray[np.uint8]:
    """Of all of them, evenly: sets are often sorted by class."""
    count = min(CALIBRATED, len(pixels))
    chosen: NDArray[np.uint8] = pixels[np.linspace(0, len(pixels) - 1, count).astype(int)]
    return chosen


def _int8(extractor: Extractor, pixels: NDArray[np.uint8]) -> bytes:
    try:
        from onnxruntime.quantization import (
            CalibrationMethod,
            QuantFormat,
            QuantType,
            quantize_static,
        )
    except ImportError:
        raise ConversionError(
            "ONNX Runtime has no quantization tools here, as in the container image: train with "
            "--quantize where scripts/install photos was run."
        ) from None

    # It warns of a step that would have to be done before, and tells what it does, on the root.
    silent = logging.getLogger()
    level = silent.level
    silent.setLevel(logging.ERROR)
    try:
        with tempfile.TemporaryDirectory(prefix="pupila-int8-") as folder:
            source, target = Path(folder) / "float.onnx", Path(folder) / "int8.onnx"
            source.write_bytes(extractor.read(EXTRACTOR_GRAPH))
            quantize_static(
                source,
                target,
                _Reader(extractor, pixels),
                # As operators of int8, and not as pairs around those of float: what ONNX Runtime
                # does not fuse of such pairs was six times slower here than float.
                quant_format=QuantFormat.QOperator,
                calibrate_method=CalibrationMethod.MinMax,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                per_channel=True,
                # Seven bits of weights: with eight, CPUs without VNNI overflow (16 bits for the sum
                # of two products), and embeddings had a cosine of 0.87 to those of float, not 0.93.
                reduce_range=True,
                op_types_to_quantize=list(_QUANTIZED),
            )
            graph = target.read_bytes()
    except Exception as error:
        raise ConversionError(
            f"The extractor {extractor.tag} cannot be quantized: {first_line(error)}."
        ) from error
    finally:
        silent.setLevel(level)
    if b"QLinear" not in graph:
        raise ConversionError(
            f"The extractor {extractor.tag} has no layer that can be quantized; leave it in float."
        )
    return graph


class _Reader:
    """Batches of images, as ONNX Runtime's calibration asks for them."""

    def __init__(self, extractor: Extractor, pixels: NDArray[np.uint8]) -> None:
        self._batches = _batches(extractor, pixels)

    def get_next(self) -> dict[str, NDArray[Any]] | None:
        return next(self._batches, None)


def _batches(
    extractor: Extractor, pixels: NDArray[np.uint8]
) -> Iterator[dict[str, NDArray[np.float32]]]:
    manifest = extractor.manifest
    spec = manifest.image_spec
    sides = (spec.height, spec.width)
    shape = (spec.channels, *sides) if manifest.layout == "NCHW" else (*sides, spec.channels)
    size = manifest.batch or _BATCH
    for start in range(0, len(pixels), size):
        features = spec.features(pixels[start : start + size])
        yield {manifest.input_name: features.reshape(-1, *shape)}


def _seconds(embedder: Embedder, features: NDArray[np.float32]) -> float:
    """Of processor time, the least of some passes."""
    embedder.run(features)
    times = []
    for _ in range(_TIMED):
        started = time.thread_time()
        embedder.run(features)
        times.append(time.thread_time() - started)
    return max(min(times), 1e-9)
