"""How large the tensors of a graph get for one image, before anything runs it."""

import math
from collections.abc import Sequence
from typing import Any, Final

import onnx
from onnx import TensorProto, helper

from errors import ConversionError
from models.offline.graph_reader import shape_of, written

MAX_TENSOR_BYTES: Final = 2**30
"""64 channels of 1024x1024 pixels take a quarter of it, and eight images are run at once."""

# Shapes and scales are constants of a few numbers; a layer's weights decide by their shape alone.
_FEW: Final = 64


def check_tensors(model: Any, nodes: Sequence[Any], image: Any, shape: tuple[int, ...]) -> None:
    """Raise ConversionError if one image, a batch of ``shape``, becomes more than a tensor may
    have. What cannot be inferred is left to the limit of the process."""
    kept, inputs = [], []
    for one in model.graph.initializer:
        if math.prod(one.dims) <= _FEW:
            kept.append(one)
        else:
            inputs.append(helper.make_tensor_value_info(one.name, one.data_type, one.dims))
    given = helper.make_tensor_value_info(image.name, image.type.tensor_type.elem_type, shape)
    outputs = [onnx.ValueInfoProto(name=nodes[-1].output[0])]
    graph = helper.make_graph(nodes, "sizes", [given, *inputs], outputs, kept)
    try:
        light = helper.make_model(
            graph, opset_imports=model.opset_import, ir_version=model.ir_version
        )
        found = onnx.shape_inference.infer_shapes(light, data_prop=True).graph
    except Exception:  # noqa: BLE001 - whatever onnx raises; ONNX Runtime will say what is wrong
        return
    for one in (*found.value_info, *found.output):
        sizes = shape_of(one)
        if not sizes or not all(isinstance(size, int) and size > 0 for size in sizes):
            continue
        count = math.prod(sizes) * _bytes_of(one.type.tensor_type.elem_type)
        if count > MAX_TENSOR_BYTES:
            raise ConversionError(
                f"The graph makes of one image {one.name}, {written(sizes)}, of "
                f"{count / 2**20:,.0f} MB; a tensor of an extractor has at most "
                f"{MAX_TENSOR_BYTES // 2**20:,}."
            )


def _bytes_of(kind: int) -> int:
    if kind in (TensorProto.UNDEFINED, TensorProto.STRING):
        return 4
    return int(helper.tensor_dtype_to_np_dtype(kind).itemsize)
