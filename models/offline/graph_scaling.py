"""What values a graph wants, read from how it begins: what it does to each value before its layers.

Sums, products and normalizations by constants are one line per channel, slope * value + shift. A
graph that subtracts 123 or divides by 255 is for values up to 255; one that makes -1 to 1 of 0 to
1, or less ImageNet's mean, by its deviation, does what would be done before it otherwise.
"""

from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper

from models.offline.graph_reader import Fact, GraphReader, Sides

Values = Literal["0-255", "0-1", "imagenet"]
Numbers = NDArray[np.float64]

_SAME: Final = frozenset(("Cast", "Identity", "Resize"))
_ARITHMETIC: Final = frozenset(("Add", "Sub", "Mul", "Div"))
# What the middle of the values is made of, in 0 to 255 and in 0 to 1: means of images lie within.
_RAW_MIDDLE: Final = 16.0
_UNIT_MIDDLE: Final = (0.2, 0.8)
# 1/255 and 1/58 are below; what follows takes numbers of about 1, whatever it is trained for.
_RAW_SLOPE: Final = 1 / 32


@dataclass(frozen=True)
class _Line:
    """``slope`` and ``shift``: of four dimensions, with the channels at ``axis``; ``operators``:
    those that changed a value."""

    slope: Numbers
    shift: Numbers
    axis: int
    operators: tuple[str, ...] = ()


def expected_values(reader: GraphReader, nodes: list[Any], image: Any, sides: Sides) -> Values:
    """``nodes``: those that the embedding needs. ``imagenet``: the graph says nothing, and these
    are usual."""
    if image.type.tensor_type.elem_type == TensorProto.UINT8:
        reader.facts.append(Fact("values", "0-255", "the input takes bytes"))
        return "0-255"
    line = _beginning(reader, nodes, image.name, sides)
    found = _values_of(line)
    if found == "imagenet":
        return found
    top = 255 if found == "0-255" else 1
    ends = [float(np.mean(line.slope * value + line.shift)) for value in (0, top)]
    reader.facts.append(
        Fact(
            "values",
            found,
            f"the graph begins with {', '.join(line.operators)}: these become {ends[0]:.3g} to "
            f"{ends[1]:.3g}",
        )
    )
    return found


def _values_of(line: _Line) -> Values:
    if not np.all(line.slope):
        return "imagenet"
    middle = float(np.mean(-line.shift / line.slope))
    slope = float(np.mean(np.abs(line.slope)))
    if middle > _RAW_MIDDLE or slope < _RAW_SLOPE:
        return "0-255"
    if slope > 1 / _RAW_SLOPE or (_UNIT_MIDDLE[0] < middle < _UNIT_MIDDLE[1] and slope > 0.8):
        return "0-1"
    return "imagenet"


def _beginning(reader: GraphReader, nodes: list[Any], flow: str, sides: Sides) -> _Line:
    """What all operators up to the first other one, or the first branch, do together."""
    axis = 1 if sides.layout == "NCHW" else 3
    shape = [1, 1, 1, 1]
    shape[axis] = sides.channels
    line = _Line(np.ones(shape), np.zeros(shape), axis)
    while True:
        takers = [node for node in nodes if flow in node.input and node.op_type != "Shape"]
        if len(takers) != 1:
            return line
        after = _after(reader, takers[0], flow, line)
        if after is None:
            return line
        line, flow = after, takers[0].output[0]


def _after(reader: GraphReader, node: Any, flow: str, line: _Line) -> _Line | None:
    """The line with one more operator; None if that is no line."""
    kind = node.op_type
    if node.domain not in ("", "ai.onnx"):
        return None
    if kind in _SAME and node.input[0] == flow:
        return line
    attributes = {one.name: helper.get_attribute_value(one) for one in node.attribute}
    if kind == "Transpose":
        order = list(attributes.get("perm", (3, 2, 1, 0)))
        moved = line.slope.transpose(order), line.shift.transpose(order)
        return _Line(*moved, order.index(line.axis), line.operators)
    if kind == "BatchNormalization" and line.axis == 1 and not attributes.get("training_mode"):
        constants = [reader.numbers(name) for name in node.input[1:5]]
        if any(one is None or one.size != line.slope.size for one in constants):
            return None
        scale, bias, mean, variance = (
            one.reshape(1, -1, 1, 1) for one in constants if one is not None
        )
        factor = scale / np.sqrt(np.abs(variance) + attributes.get("epsilon", 1e-5))
        return _Line(
            line.slope * factor, (line.shift - mean) * factor + bias, 1, (*line.operators, kind)
        )
    if kind in _ARITHMETIC:
        return _with_constant(reader, node, flow, line)
    return None


def _with_constant(reader: GraphReader, node: Any, flow: str, line: _Line) -> _Line | None:
    first = node.input[0] == flow
    number = reader.numbers(node.input[1] if first else node.input[0])
    if number is None or number.ndim > 4 or (node.op_type == "Div" and not first):
        return None
    number = _by_channel(number, line)
    if number is None:
        return None
    slope, shift = line.slope, line.shift
    if node.op_type == "Add":
        shift = shift + number
    elif node.op_type == "Sub":
        shift = shift - number if first else number - shift
        slope = slope if first else -slope
    elif node.op_type == "Mul":
        slope, shift = slope * number, shift * number
    elif np.all(number):
        slope, shift = slope / number, shift / number
    else:
        return None
    return _Line(slope, shift, line.axis, (*line.operators, node.op_type))


def _by_channel(number: Numbers, line: _Line) -> Numbers | None:
    """One number, or one a channel: of an image that is subtracted, its means."""
    whole = number.reshape((1,) * (4 - number.ndim) + number.shape)
    places = tuple(axis for axis in range(4) if axis != line.axis)
    found: Numbers = whole.mean(axis=places, keepdims=True)
    return found if found.size in (1, line.slope.size) else None
