"""Makes an extractor's graph of somebody's ONNX file: one image input, one embedding as output.

What the file does not say is guessed from its graph, and each guess says what it came from. The
classifier at the end is cut off, what is left over space or over tokens is pooled, and everything
that the embedding does not need goes.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from errors import ArtifactError, ConversionError, first_line
from models.extractor import MAX_GRAPH_BYTES
from models.extractor_operators import EXTRACTOR_OPERATORS
from models.graph import Contents
from models.offline.graph_memory import check_tensors
from models.offline.graph_pooling import Pool, Pooling, Shape, pooling
from models.offline.graph_reader import (
    TYPES,
    Fact,
    GraphReader,
    InputType,
    Sides,
    operator,
    shape_of,
)
from models.offline.graph_scaling import Values, expected_values
from models.offline.graph_target import embedding_tensor
from models.session import open_session

OUTPUT: Final = "pupila_embedding"


@dataclass(frozen=True)
class Cut:
    """A graph from its image input to its embedding, in the parts that an extractor needs.

    ``values``: what the graph expects, ``imagenet`` if it does not say.
    """

    graph: bytes
    input_name: str
    output_name: str
    input_type: InputType
    sides: Sides
    values: Values
    facts: tuple[Fact, ...] = field(default=())


def cut(
    content: bytes, input_name: str | None = None, output: str | None = None, pool: Pool = "auto"
) -> Cut:
    """The graph of an ONNX file up to its embedding.

    ``input_name``: of the image, if there are several inputs; ``output``: of any tensor in the
    graph, by default the one before the classifier; ``pool``: how [N, C, h, w] or [N, tokens, C]
    becomes [N, C]. Raises ConversionError for what cannot be an extractor, ArtifactError for a
    file that is not ONNX.
    """
    if len(content) > MAX_GRAPH_BYTES:
        raise ConversionError(
            f"The file has {len(content) / 2**20:,.0f} MB; an extractor has at most "
            f"{MAX_GRAPH_BYTES // 2**20:,}."
        )
    # Before onnx reads it: what refers to other files must not be followed.
    contents = Contents.of(content)
    if contents.elsewhere:
        raise ConversionError(
            "The weights are in another file; save the model with all of them in one: "
            'onnx.save(onnx.load("model.onnx"), "one.onnx").'
        )
    try:
        model = onnx.load_model_from_string(content)
        model = onnx.shape_inference.infer_shapes(model)
    except Exception as error:
        raise ArtifactError(f"The file is not valid ONNX: {first_line(error)}.") from error
    return _Surgeon(model).cut(input_name, output, pool)


class _Surgeon:
    def __init__(self, model: Any) -> None:
        self._model, self._graph = model, model.graph
        self._reader = GraphReader(model)
        self._facts = self._reader.facts

    def cut(self, input_name: str | None, wanted: str | None, pool: Pool) -> Cut:
        reader = self._reader
        image = reader.image_input(input_name)
        target = embedding_tensor(reader, image.name, wanted)
        nodes, _ = reader.needed(target)
        # First: what is in a subgraph is not seen, nor what that depends on.
        for node in nodes:
            if operator(node) not in EXTRACTOR_OPERATORS:
                raise ConversionError(
                    f"The graph cannot be an extractor: it has the operator {operator(node)}, "
                    "which is not allowed (see models/extractor_operators.py)."
                )
        inputs = reader.inputs_of(target)
        if image.name not in inputs:
            raise ConversionError(f"{target} does not depend on the input {image.name}.")
        if others := inputs - {image.name}:
            raise ConversionError(
                f"{target} needs the inputs {', '.join(sorted(others))}, too: name an output that "
                "an image alone decides, such as the image encoder's."
            )
        sides = reader.sides(image)
        check_tensors(self._model, nodes, image, sides.shape())
        values = expected_values(reader, nodes, image, sides)

        def measure(height: int, width: int) -> Shape | None:
            graph = self._written(nodes, image, onnx.ValueInfoProto(name=target))
            return _shape_of_run(graph, image, sides.shape(height, width))

        how = pooling(reader, target, sides, pool, measure)
        result = self._free(OUTPUT)
        pooled, constants = self._pooled(target, how, result)
        output = helper.make_tensor_value_info(result, TensorProto.FLOAT, ["N", None])
        graph = self._written([*nodes, *pooled], image, output, constants)
        fault = Contents.of(graph).fault_within(EXTRACTOR_OPERATORS)
        if fault is not None:
            raise ConversionError(f"The graph cannot be an extractor: it has {fault}.")
        kind = TYPES[image.type.tensor_type.elem_type]
        self._facts.append(Fact("type", kind, "from the graph"))
        return Cut(graph, image.name, result, kind, sides, values, tuple(self._facts))

    def _pooled(self, target: str, how: Pooling, result: str) -> tuple[list[Any], list[Any]]:
        """The nodes that make [N, dimension] float32 of the target, and their constants."""
        nodes, constants, flow = [], [], target
        row, flat = self._free("pupila_2d"), self._free("pupila_flat")
        name = self._free("pupila_axes")
        if how.how == "first":
            constants.append(numpy_helper.from_array(np.array(0, np.int64), name))
            nodes.append(helper.make_node("Gather", [flow, name], [row], axis=1))
            flow = row
        elif how.how == "mean":
            # ReduceMean takes its axes as an input since opset 18.
            if self._opset() < 18:
                node = helper.make_node("ReduceMean", [flow], [row], axes=how.axes, keepdims=0)
            else:
                constants.append(numpy_helper.from_array(np.array(how.axes, np.int64), name))
                node = helper.make_node("ReduceMean", [flow, name], [row], keepdims=0)
            nodes.append(node)
            flow = row
        nodes.append(helper.make_node("Flatten", [flow], [flat], axis=1))
        nodes.append(helper.make_node("Cast", [flat], [result], to=int(TensorProto.FLOAT)))
        return nodes, constants

    def _opset(self) -> int:
        versions = (one.version for one in self._model.opset_import if not one.domain)
        return max(versions, default=17)

    def _free(self, name: str) -> str:
        """The name, or one like it that no tensor of the graph has."""
        taken = {one.name for one in (*self._graph.initializer, *self._graph.input)}
        taken |= self._reader.made_by.keys()
        while name in taken:
            name += "_"
        return name

    def _written(
        self, nodes: Sequence[Any], image: Any, output: Any, constants: Sequence[Any] = ()
    ) -> bytes:
        """A model of these nodes from the image to one output, and nothing else of the file."""
        used = {name for node in nodes for name in node.input} | {output.name}
        shape = ["N", *shape_of(image)[1:]]
        graph = helper.make_graph(
            nodes,
            self._graph.name or "extractor",
            [helper.make_tensor_value_info(image.name, image.type.tensor_type.elem_type, shape)],
            [output],
            [*(one for one in self._graph.initializer if one.name in used), *constants],
        )
        model = helper.make_model(
            graph, opset_imports=self._model.opset_import, ir_version=self._model.ir_version
        )
        content: bytes = model.SerializeToString(deterministic=True)
        return content


def _shape_of_run(graph: bytes, image: Any, shape: tuple[int, ...]) -> Shape | None:
    """Of what a graph gives for one image; None if it cannot run it."""
    blank = np.zeros(shape, TYPES[image.type.tensor_type.elem_type])
    try:
        session = open_session(graph, 1, EXTRACTOR_OPERATORS)
        (output,) = session.run(None, {image.name: blank})
    except Exception:  # noqa: BLE001 - whatever ONNX Runtime raises
        return None
    return tuple(output.shape)
