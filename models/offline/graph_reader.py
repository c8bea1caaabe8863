"""Reads from an ONNX graph what an extractor needs to know, and says from what it was read."""

import math
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from errors import ConversionError
from images.spec import MAX_SIDE
from models.extractor_operators import EXTRACTOR_OPERATORS

InputType = Literal["float32", "float16", "uint8"]
TYPES: Final[Mapping[int, InputType]] = {
    TensorProto.FLOAT: "float32",
    TensorProto.FLOAT16: "float16",
    TensorProto.UINT8: "uint8",
}
Layout = Literal["NCHW", "NHWC"]
_DEFAULT_SIDE: Final = 224

# What is computed of constants to read the numbers of a scaling.
_COMPUTED: Final = frozenset(
    """
    Identity Cast Transpose Reshape Squeeze Unsqueeze Flatten DequantizeLinear Neg Sqrt Reciprocal
    Add Sub Mul Div Max
    """.split()  # noqa: SIM905 - a list of quoted names would take a page
)
# A mean image of 512x512 has 0.8 million.
_MOST_NUMBERS: Final = 2**20
_MOST_STEPS: Final = 8


@dataclass(frozen=True)
class Fact:
    """Something that was found out, and from what."""

    name: str
    value: str
    reason: str


@dataclass(frozen=True)
class Sides:
    """``layout``: where the channels are. ``fixed``: whether the graph says the size."""

    layout: Layout
    height: int
    width: int
    channels: int
    fixed: bool = True

    def shape(self, height: int | None = None, width: int | None = None) -> tuple[int, ...]:
        """Of one image in a batch, of this size or another one."""
        sides = (height or self.height, width or self.width)
        return (1, self.channels, *sides) if self.layout == "NCHW" else (1, *sides, self.channels)


class GraphReader:
    """A graph with the shapes of its tensors, as far as they are known; ``facts`` of all that was
    asked so far. ``constants``: the names of tensors that no input changes."""

    def __init__(self, model: Any) -> None:
        self.graph = model.graph
        self.made_by = {name: node for node in self.graph.node for name in node.output}
        self.shapes = {
            one.name: shape_of(one)
            for one in (*self.graph.value_info, *self.graph.input, *self.graph.output)
        }
        self.facts: list[Fact] = []
        self._opsets = model.opset_import
        self._initial = {one.name: one for one in self.graph.initializer}
        self.constants = set(self._initial)
        for node in self.graph.node:
            inputs = [name for name in node.input if name]
            # A constant may be transposed, cast or dequantized before it is used.
            if node.op_type == "Constant" or (
                inputs
                and operator(node) in EXTRACTOR_OPERATORS
                and self.constants.issuperset(inputs)
            ):
                self.constants.update(node.output)

    def needed(self, target: str) -> tuple[list[Any], set[str]]:
        """The nodes that a tensor needs, in order, and the names that no node makes."""
        wanted, queue, sources = set(), deque([target]), set()
        while queue:
            name = queue.popleft()
            node = self.made_by.get(name)
            if node is None:
                if name:
                    sources.add(name)
                continue
            key = node.output[0]
            if key not in wanted:
                wanted.add(key)
                queue.extend(node.input)
        return [node for node in self.graph.node if node.output[0] in wanted], sources

    def inputs_of(self, target: str) -> set[str]:
        """The names of the inputs that a tensor needs."""
        return self.needed(target)[1] - self._initial.keys()

    def has_constant(self, node: Any) -> bool:
        return any(name in self.constants for name in node.input)

    def flowing(self, node: Any) -> str:
        """The input that is no constant."""
        return str(next((one for one in node.input if one not in self.constants), node.input[0]))

    def numbers(self, name: str) -> NDArray[np.float64] | None:
        """A constant's, or None if it is none, or too large to be part of a scaling."""
        try:
            found = self._array(name, _MOST_STEPS)
        except Exception:  # noqa: BLE001 - whatever onnx raises, the numbers are not known
            return None
        return None if found is None else found.astype(np.float64)

    def _array(self, name: str, steps: int) -> NDArray[Any] | None:
        if name in self._initial:
            one = self._initial[name]
            return numpy_helper.to_array(one) if math.prod(one.dims) <= _MOST_NUMBERS else None
        node = self.made_by.get(name)
        if node is None or name not in self.constants or not steps:
            return None
        if node.op_type != "Constant" and node.op_type not in _COMPUTED:
            return None
        arrays = {one: self._array(one, steps - 1) for one in node.input if one}
        sizes = [0 if array is None else array.size for array in arrays.values()]
        # Of a row and a column, an operator makes as many numbers as their sizes' product.
        if 0 in sizes or math.prod(sizes) > 8 * _MOST_NUMBERS:
            return None
        graph = helper.make_graph(
            [node],
            "constant",
            [helper.make_value_info(one, helper.make_tensor_type_proto(0, None)) for one in arrays],
            [helper.make_value_info(name, helper.make_tensor_type_proto(0, None))],
        )
        model = helper.make_model(graph, opset_imports=self._opsets)
        found: Any = ReferenceEvaluator(model).run(None, arrays)
        return np.asarray(found[0])

    def image_input(self, wanted: str | None) -> Any:
        """The input that an image goes into. Raises ConversionError unless there is one."""
        inputs = [one for one in self.graph.input if one.name not in self._initial]
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

    def sides(self, image: Any) -> Sides:
        """What an input's images are like. Raises ConversionError for images of another kind."""
        shape = shape_of(image)
        first, last = shape[1] in (1, 3), shape[3] in (1, 3)
        layout: Layout = "NHWC" if last and not first else "NCHW"
        reason = "from the input's shape" if first or last else "usual; the graph does not say"
        sides = shape[1:3] if layout == "NHWC" else shape[2:]
        channels = shape[3] if layout == "NHWC" else shape[1]
        if channels not in (1, 3) and _is_size(channels):
            raise ConversionError(
                f"The input {image.name} has the shape {written(shape)}; the images of an "
                "extractor have 1 or 3 channels."
            )
        self.facts.append(Fact("layout", layout, reason))
        known = [side for side in sides if _is_size(side)]
        fixed = len(known) == 2
        usual = known[0] if known else _DEFAULT_SIDE
        height, width = (side if _is_size(side) else usual for side in sides)
        if max(height, width) > MAX_SIDE:
            raise ConversionError(
                f"The graph takes images of {width}x{height}; an extractor's sides are at most "
                f"{MAX_SIDE:,}."
            )
        self.facts.append(
            Fact(
                "size",
                f"{width}x{height}",
                "from the input's shape" if fixed else "usual; the graph takes any",
            )
        )
        return Sides(layout, height, width, channels if channels in (1, 3) else 3, fixed)


def operator(node: Any) -> str:
    """Its name, as lists of operators have it."""
    own = node.domain not in ("", "ai.onnx")
    return f"{node.domain}.{node.op_type}" if own else str(node.op_type)


def shape_of(value: Any) -> tuple[Any, ...]:
    """Of a tensor: numbers, names of those that are not fixed, or None."""
    return tuple(
        one.dim_value if one.HasField("dim_value") else (one.dim_param or None)
        for one in value.type.tensor_type.shape.dim
    )


def written(shape: Iterable[Any]) -> str:
    """A shape for a sentence: [N, 3, 224, ?]."""
    return f"[{', '.join('?' if size is None else str(size) for size in shape)}]"


def _is_size(value: Any) -> bool:
    return isinstance(value, int) and value > 0
