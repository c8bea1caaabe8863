"""Reads from an ONNX graph what an extractor needs to know, and says from what it was read."""

from dataclasses import dataclass
from typing import Any, Final, Literal

from onnx import TensorProto, numpy_helper

from errors import ConversionError

TYPES: Final = {
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
class Sides:
    """``layout``: where the channels are."""

    layout: Literal["NCHW", "NHWC"]
    height: int
    width: int
    channels: int


class GraphReader:
    """A graph with the shapes of its tensors, as far as they are known; ``facts`` of all that was
    asked so far."""

    def __init__(self, graph: Any) -> None:
        self.graph = graph
        self.made_by = {name: node for node in graph.node for name in node.output}
        self.shapes = {
            one.name: shape_of(one) for one in (*graph.value_info, *graph.input, *graph.output)
        }
        self.facts: list[Fact] = []
        self._constants = {one.name for one in graph.initializer} | {
            node.output[0] for node in graph.node if node.op_type == "Constant"
        }

    def image_input(self, wanted: str | None) -> Any:
        """The input that an image goes into. Raises ConversionError unless there is one."""
        known = {one.name for one in self.graph.initializer}
        inputs = [one for one in self.graph.input if one.name not in known]
        images = [
            one
            for one in inputs
            if len(shape_of(one)) == 4 and one.type.tensor_type.elem_type in TYPES
        ]
        if wanted is not None:
            images = [one for one in images if one.name == wanted]
        if len(images) != 1:
            listed = ", ".join(f"{one.name} {shape_of(one)}" for one in inputs) or "none"
            raise ConversionError(
                "An extractor needs one input of four dimensions and of type float32, float16 or "
                f"uint8, which --input names; the graph's are: {listed}."
            )
        self.facts.append(
            Fact("input", images[0].name, "asked for" if wanted else "the only image input")
        )
        return images[0]

    def target(self, wanted: str | None) -> str:
        """The name of the tensor that the embedding is made of. Raises ConversionError."""
        if wanted is not None:
            if wanted not in self.made_by:
                outputs = ", ".join(one.name for one in self.graph.output)
                raise ConversionError(
                    f"The graph has no tensor {wanted!r}; its outputs are {outputs}, and any "
                    "other tensor's name will do."
                )
            self.facts.append(Fact("output", wanted, "asked for"))
            return wanted
        outputs = [one.name for one in self.graph.output]
        best = next(
            (name for name in outputs if any(word in name.lower() for word in _EMBEDDING_WORDS)),
            outputs[0],
        )
        before = None if best != outputs[0] else self._before_classifier(best)
        if before is not None:
            self.facts.append(Fact("output", before, "the layer before the classifier"))
            return before
        self.facts.append(Fact("output", best, "the graph's output"))
        return str(best)

    def _before_classifier(self, name: str) -> str | None:
        """What the last dense layer takes, if it looks like a classifier's."""
        node, certain = self.made_by.get(name), False
        while node is not None and (
            node.op_type in _AFTER or (node.op_type == "Add" and self._has_constant(node))
        ):
            certain |= node.op_type in ("Softmax", "LogSoftmax", "Sigmoid", "Add")
            name = self._flowing(node)
            node = self.made_by.get(name)
        if node is None or node.op_type not in ("Gemm", "MatMul", "Conv"):
            return None
        if not self._has_constant(node):
            return None
        certain |= node.op_type != "MatMul" and len(node.input) == 3
        classes = next((size for size in self.shapes.get(name, ())[1:2]), None)
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
        return tuple(self.shapes.get(name, ())[2:]) == (1, 1)

    def sides(self, image: Any) -> Sides:
        """What an input's images are like."""
        shape = shape_of(image)
        first, last = shape[1] in (1, 3), shape[3] in (1, 3)
        layout: Literal["NCHW", "NHWC"] = "NHWC" if last and not first else "NCHW"
        reason = "from the input's shape" if first or last else "usual; the graph does not say"
        sides = shape[1:3] if layout == "NHWC" else shape[2:]
        channels = shape[3] if layout == "NHWC" else shape[1]
        self.facts.append(Fact("layout", layout, reason))
        fixed = all(isinstance(side, int) and side > 0 for side in sides)
        height, width = sides if fixed else (_DEFAULT_SIDE, _DEFAULT_SIDE)
        self.facts.append(
            Fact(
                "size",
                f"{width}x{height}",
                "from the input's shape" if fixed else "usual; the graph takes any",
            )
        )
        return Sides(layout, height, width, channels if channels in (1, 3) else 3)

    def is_raw(self, image: Any) -> bool:
        """Whether the graph begins by scaling values of 0 to 255 itself."""
        if image.type.tensor_type.elem_type == TensorProto.UINT8:
            self.facts.append(Fact("values", "0-255", "the input takes bytes"))
            return True
        for node in self.graph.node:
            if image.name not in node.input or node.op_type not in ("Sub", "Div", "Mul"):
                continue
            numbers = [value for name in node.input for value in self._numbers(name)]
            small = node.op_type == "Mul" and numbers and max(map(abs, numbers)) < 0.02
            if small or (node.op_type != "Mul" and numbers and max(map(abs, numbers)) > 2):
                self.facts.append(Fact("values", "0-255", f"the graph begins with {node.op_type}"))
                return True
        return False

    def _numbers(self, name: str) -> list[float]:
        for one in self.graph.initializer:
            if one.name == name:
                return [float(value) for value in numpy_helper.to_array(one).reshape(-1)[:8]]
        node = self.made_by.get(name)
        if node is not None and node.op_type == "Constant" and node.attribute[0].name == "value":
            array = numpy_helper.to_array(node.attribute[0].t)
            return [float(value) for value in array.reshape(-1)[:8]]
        return []


def shape_of(value: Any) -> tuple[Any, ...]:
    """Of a tensor: numbers, names of those that are not fixed, or None."""
    return tuple(
        one.dim_value if one.HasField("dim_value") else (one.dim_param or None)
        for one in value.type.tensor_type.shape.dim
    )
