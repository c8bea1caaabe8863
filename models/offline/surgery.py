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

Pool = Literal["auto", "mean", "first", "none"]
POOLS: Final = ("auto", "mean", "first", "none")

OUTPUT: Final = "pupila_embedding"
_TYPES: Final = {
    TensorProto.FLOAT: "float32",
    TensorProto.FLOAT16: "float16",
    TensorProto.UINT8: "uint8",
}
# After a classifier's sums, these only change how they are written.
_AFTER: Final = frozenset(
    ("Softmax", "LogSoftmax", "Sigmoid", "Identity", "Cast", "Squeeze", "Flatten", "Reshape")
)
_EMBEDDING_WORDS: Final = ("embed", "feature", "pooler", "hidden", "pooled")
_CLASSES: Final = frozenset((10, 100, 365, 1000, 1001, 11221, 11821, 21841, 21843))
_DEFAULT_SIDE: Final = 224


@dataclass(frozen=True)
class Fact:
    """Something that was found out, and from what."""

    name: str
    value: str
    reason: str


@dataclass(frozen=True)
class Cut:
    """A graph from its image input to its embedding, in the parts that an extractor needs.

    ``raw``: whether the graph itself scales values from 0 to 255.
    """

    graph: bytes
    input_name: str
    input_type: Literal["float32", "float16", "uint8"]
    layout: Literal["NCHW", "NHWC"]
    height: int
    width: int
    channels: int
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
        self._made_by = {name: node for node in self._graph.node for name in node.output}
        self._constants = {one.name for one in self._graph.initializer} | {
            node.output[0] for node in self._graph.node if node.op_type == "Constant"
        }
        self._shapes = {
            one.name: _shape(one)
            for one in (*self._graph.value_info, *self._graph.input, *self._graph.output)
        }
        self._facts: list[Fact] = []

    def cut(self, input_name: str | None, output: str | None, pool: Pool) -> Cut:
        image = self._image_input(input_name)
        target = self._target(output)
        nodes, needed = self._needed(target)
        others = needed - {image.name} - {one.name for one in self._graph.initializer}
        if image.name not in needed:
            raise ConversionError(f"{target} does not depend on the input {image.name}.")
        if others:
            raise ConversionError(
                f"{target} needs the inputs {', '.join(sorted(others))}, too: name an output that "
                "an image alone decides, such as the image encoder's."
            )
        layout, height, width, channels = self._sides(image)
        raw = self._is_raw(image)
        self._pooled(nodes, target, pool)
        self._write(nodes, needed, image)
        kind = _TYPES[image.type.tensor_type.elem_type]
        graph = self._model.SerializeToString(deterministic=True)
        fault = Contents.of(graph).fault_within(EXTRACTOR_OPERATORS)
        if fault is not None:
            raise ConversionError(f"The graph cannot be an extractor: it has {fault}.")
        self._facts.append(Fact("type", kind, "from the graph"))
        return Cut(
            graph, image.name, kind, layout, height, width, channels, raw, tuple(self._facts)
        )

    def _image_input(self, wanted: str | None) -> Any:
        known = {one.name for one in self._graph.initializer}
        inputs = [one for one in self._graph.input if one.name not in known]
        images = [
            one
            for one in inputs
            if len(_shape(one)) == 4 and one.type.tensor_type.elem_type in _TYPES
        ]
        if wanted is not None:
            images = [one for one in images if one.name == wanted]
        if len(images) != 1:
            listed = ", ".join(f"{one.name} {_shape(one)}" for one in inputs) or "none"
            raise ConversionError(
                "An extractor needs one input of four dimensions and of type float32, float16 or "
                f"uint8, which --input names; the graph's are: {listed}."
            )
        self._facts.append(
            Fact("input", images[0].name, "asked for" if wanted else "the only image input")
        )
        return images[0]

    def _target(self, wanted: str | None) -> str:
        """The name of the tensor that the embedding is made of."""
        if wanted is not None:
            if wanted not in self._made_by:
                outputs = ", ".join(one.name for one in self._graph.output)
                raise ConversionError(
                    f"The graph has no tensor {wanted!r}; its outputs are {outputs}, and any "
                    "other tensor's name will do."
                )
            self._facts.append(Fact("output", wanted, "asked for"))
            return wanted
        outputs = [one.name for one in self._graph.output]
        best = next(
            (name for name in outputs if any(word in name.lower() for word in _EMBEDDING_WORDS)),
            outputs[0],
        )
        before = None if best != outputs[0] else self._before_classifier(best)
        if before is not None:
            self._facts.append(Fact("output", before, "the layer before the classifier"))
            return before
        self._facts.append(Fact("output", best, "the graph's output"))
        return str(best)

    def _before_classifier(self, name: str) -> str | None:
        """What the last dense layer takes, if it looks like a classifier's."""
        node, certain = self._made_by.get(name), False
        while node is not None and (
            node.op_type in _AFTER or (node.op_type == "Add" and self._has_constant(node))
        ):
            certain |= node.op_type in ("Softmax", "LogSoftmax", "Sigmoid", "Add")
            name = self._flowing(node)
            node = self._made_by.get(name)
        if node is None or node.op_type not in ("Gemm", "MatMul", "Conv"):
            return None
        if not self._has_constant(node):
            return None
        certain |= node.op_type != "MatMul" and len(node.input) == 3
        classes = next((size for size in self._shapes.get(name, ())[1:2]), None)
        if not certain and classes not in _CLASSES:
            return None
        if node.op_type == "Conv" and not self._is_single(node.input[0]):
            return None
        return str(node.input[0])

    def _has_constant(self, node: Any) -> bool:
        return any(name in self._constants for name in node.input)

    def _flowing(self, node: Any) -> str:
        """The input that is no constant."""
        return str(next((one for one in node.input if one not in self._constants), node.input[0]))

    def _is_single(self, name: str) -> bool:
        """Whether a tensor has one place only, as before a classifier that is a convolution."""
        return tuple(self._shapes.get(name, ())[2:]) == (1, 1)

    def _needed(self, target: str) -> tuple[list[Any], set[str]]:
        """The nodes that the target needs, in order, and the names that no node makes."""
        wanted, queue, sources = set(), deque([target]), set()
        while queue:
            name = queue.popleft()
            node = self._made_by.get(name)
            if node is None:
                if name:
                    sources.add(name)
                continue
            key = node.output[0]
            if key not in wanted:
                wanted.add(key)
                queue.extend(node.input)
        return [node for node in self._graph.node if node.output[0] in wanted], sources

    def _sides(self, image: Any) -> tuple[Literal["NCHW", "NHWC"], int, int, int]:
        shape = _shape(image)
        first, last = shape[1] in (1, 3), shape[3] in (1, 3)
        layout: Literal["NCHW", "NHWC"] = "NHWC" if last and not first else "NCHW"
        reason = "from the input's shape" if first or last else "usual; the graph does not say"
        sides = shape[1:3] if layout == "NHWC" else shape[2:]
        channels = shape[3] if layout == "NHWC" else shape[1]
        self._facts.append(Fact("layout", layout, reason))
        fixed = all(isinstance(side, int) and side > 0 for side in sides)
        height, width = sides if fixed else (_DEFAULT_SIDE, _DEFAULT_SIDE)
        self._facts.append(
            Fact(
                "size",
                f"{width}x{height}",
                "from the input's shape" if fixed else "usual; the graph takes any",
            )
        )
        return layout, height, width, channels if channels in (1, 3) else 3

    def _is_raw(self, image: Any) -> bool:
        """Whether the graph begins by scaling values of 0 to 255 itself."""
        if image.type.tensor_type.elem_type == TensorProto.UINT8:
            self._facts.append(Fact("values", "0-255", "the input takes bytes"))
            return True
        for node in self._graph.node:
            if image.name not in node.input or node.op_type not in ("Sub", "Div", "Mul"):
                continue
            numbers = [value for name in node.input for value in self._numbers(name)]
            small = node.op_type == "Mul" and numbers and max(map(abs, numbers)) < 0.02
            if small or (node.op_type != "Mul" and numbers and max(map(abs, numbers)) > 2):
                self._facts.append(Fact("values", "0-255", f"the graph begins with {node.op_type}"))
                return True
        return False

    def _numbers(self, name: str) -> list[float]:
        for one in self._graph.initializer:
            if one.name == name:
                return [float(value) for value in numpy_helper.to_array(one).reshape(-1)[:8]]
        node = self._made_by.get(name)
        if node is not None and node.op_type == "Constant" and node.attribute[0].name == "value":
            array = numpy_helper.to_array(node.attribute[0].t)
            return [float(value) for value in array.reshape(-1)[:8]]
        return []

    def _pooled(self, nodes: list[Any], target: str, pool: Pool) -> None:
        """Append what makes [N, dimension] float32 of the target."""
        shape = self._shapes.get(target, ())
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
            image.name, image.type.tensor_type.elem_type, ["N", *_shape(image)[1:]]
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


def _shape(value: Any) -> tuple[Any, ...]:
    """Of a tensor: numbers, names of those that are not fixed, or None."""
    return tuple(
        one.dim_value if one.HasField("dim_value") else (one.dim_param or None)
        for one in value.type.tensor_type.shape.dim
    )


def _places(shape: tuple[Any, ...]) -> tuple[int, int]:
    """Which two of four axes are places and not channels: the equal ones, or the last two."""
    if shape[1] == shape[2] and shape[3] != shape[1]:
        return 1, 2
    return 2, 3
