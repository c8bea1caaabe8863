"""Makes an extractor's graph of somebody's ONNX file: one image input, one embedding as output.

What the file does not say is guessed from its graph, and each guess says what it came from. The
classifier at the end is cut off, what is left over space or over tokens is pooled, and everything
that the embedding does not need goes.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from errors import ArtifactError, ConversionError, first_line
from models.extractor import MAX_GRAPH_BYTES
from models.extractor_operators import EXTRACTOR_OPERATORS
from models.graph import Contents
from models.offline.graph_reader import TYPES, Fact, GraphReader, Sides, shape_of

Pool = Literal["auto", "mean", "first", "none"]
POOLS: Final = ("auto", "mean", "first", "none")

OUTPUT: Final = "pupila_embedding"


@dataclass(frozen=True)
class Cut:
    """A graph from its image input to its embedding, in the parts that an extractor needs.

    ``raw``: whether the graph itself scales values from 0 to 255.
    """

    graph: bytes
    input_name: str
    input_type: Literal["float32", "float16", "uint8"]
    sides: Sides
    raw: bool
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
        self._reader = GraphReader(model.graph)
        self._facts = self._reader.facts

    def cut(self, input_name: str | None, output: str | None, pool: Pool) -> Cut:
        reader = self._reader
        image = reader.image_input(input_name)
        target = reader.target(output)
        nodes, needed = self._needed(target)
        others = needed - {image.name} - {one.name for one in self._graph.initializer}
        if image.name not in needed:
            raise ConversionError(f"{target} does not depend on the input {image.name}.")
        if others:
            raise ConversionError(
                f"{target} needs the inputs {', '.join(sorted(others))}, too: name an output that "
                "an image alone decides, such as the image encoder's."
            )
        for node in nodes:
            own = node.domain not in ("", "ai.onnx")
            name = f"{node.domain}.{node.op_type}" if own else node.op_type
            if name not in EXTRACTOR_OPERATORS:
                raise ConversionError(
                    f"The graph cannot be an extractor: it has the operator {name}, which is not "
                    "allowed (see models/extractor_operators.py)."
                )
        sides = reader.sides(image)
        raw = reader.is_raw(image)
        self._pooled(nodes, target, pool)
        self._write(nodes, needed, image)
        kind = TYPES[image.type.tensor_type.elem_type]
        graph = self._model.SerializeToString(deterministic=True)
        fault = Contents.of(graph).fault_within(EXTRACTOR_OPERATORS)
        if fault is not None:
            raise ConversionError(f"The graph cannot be an extractor: it has {fault}.")
        self._facts.append(Fact("type", kind, "from the graph"))
        return Cut(graph, image.name, kind, sides, raw, tuple(self._facts))

    def _needed(self, target: str) -> tuple[list[Any], set[str]]:
        """The nodes that the target needs, in order, and the names that no node makes."""
        wanted, queue, sources = set(), deque([target]), set()
        while queue:
            name = queue.popleft()
            node = self._reader.made_by.get(name)
            if node is None:
                if name:
                    sources.add(name)
                continue
            key = node.output[0]
            if key not in wanted:
                wanted.add(key)
                queue.extend(node.input)
        return [node for node in self._graph.node if node.output[0] in wanted], sources

    def _pooled(self, nodes: list[Any], target: str, pool: Pool) -> None:
        """Append what makes [N, dimension] float32 of the target."""
        shape = self._reader.shapes.get(target, ())
        if len(shape) not in (2, 3, 4):
            raise ConversionError(
                f"{target} has the shape {list(shape) or 'unknown'}; an embedding is made of "
                "[N, C], [N, tokens, C] or [N, C, height, width]."
            )
        flow, how = target, "as it is"
        if len(shape) == 3:
            first = pool in ("auto", "first")
            how = "the first token" if first else "the mean of all tokens"
            if first:
                self._constant("pupila_first", np.array(0, np.int64))
                nodes.append(
                    helper.make_node("Gather", [flow, "pupila_first"], ["pupila_2d"], axis=1)
                )
            else:
                nodes.append(
                    helper.make_node("ReduceMean", [flow], ["pupila_2d"], axes=[1], keepdims=0)
                )
            flow = "pupila_2d"
        elif len(shape) == 4 and pool != "none":
            places = _places(shape)
            how = "the mean over places" if tuple(shape[axis] for axis in places) != (1, 1) else how
            nodes.append(
                helper.make_node("ReduceMean", [flow], ["pupila_2d"], axes=list(places), keepdims=0)
            )
            flow = "pupila_2d"
        self._facts.append(Fact("pooling", how, "asked for" if pool != "auto" else "usual"))
        nodes.append(helper.make_node("Flatten", [flow], ["pupila_flat"], axis=1))
        nodes.append(helper.make_node("Cast", ["pupila_flat"], [OUTPUT], to=int(TensorProto.FLOAT)))

    def _constant(self, name: str, value: Any) -> None:
        self._graph.initializer.append(numpy_helper.from_array(value, name))

    def _write(self, nodes: list[Any], needed: set[str], image: Any) -> None:
        graph = self._graph
        used = {name for node in nodes for name in node.input} | needed
        kept = [one for one in graph.initializer if one.name in used]
        chosen = helper.make_tensor_value_info(
            image.name, image.type.tensor_type.elem_type, ["N", *shape_of(image)[1:]]
        )
        output = helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["N", None])
        for field_, values in (
            (graph.node, nodes),
            (graph.initializer, kept),
            (graph.input, [chosen]),
            (graph.output, [output]),
            (graph.value_info, []),
        ):
            copied = [type(value).FromString(value.SerializeToString()) for value in values]
            del field_[:]
            field_.extend(copied)
        graph.doc_string = self._model.doc_string = ""
        del self._model.metadata_props[:]
        self._axes_as_inputs()

    def _axes_as_inputs(self) -> None:
        """ReduceMean takes its axes as an input since opset 18."""
        opset = max((one.version for one in self._model.opset_import if not one.domain), default=17)
        if opset < 18:
            return
        for node in self._graph.node:
            if node.op_type == "ReduceMean" and node.output[0] == "pupila_2d":
                axes = next(one for one in node.attribute if one.name == "axes")
                self._constant("pupila_axes", np.array(axes.ints, np.int64))
                node.attribute.remove(axes)
                node.input.append("pupila_axes")


def _places(shape: tuple[Any, ...]) -> tuple[int, int]:
    """Which two of four axes are places and not channels: the equal ones, or the last two."""
    if shape[1] == shape[2] and shape[3] != shape[1]:
        return 1, 2
    return 2, 3
