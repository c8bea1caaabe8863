"""How what a network gives for an image becomes one row of numbers.

Of [N, C, height, width] the mean over the places, of [N, tokens, C] the first token, which stands
for the whole image, or the mean if there are only as many tokens as places. Nothing in a shape says
which axis is which, so that is read from the layers, then from runs with images of two sizes, then
from the images' proportions.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

from onnx import helper

from errors import ConversionError
from models.offline.graph_reader import Fact, GraphReader, Sides, written

Pool = Literal["auto", "mean", "first", "none"]
POOLS: Final = ("auto", "mean", "first", "none")

Shape = tuple[Any, ...]
Measure = Callable[[int, int], Shape | None]
"""The shape of the tensor for an image of this height and width; None if it cannot run."""

_CHANNELS_SECOND: Final = frozenset(
    """
    Conv ConvTranspose ConvInteger QLinearConv BatchNormalization InstanceNormalization
    GroupNormalization LRN MaxPool AveragePool LpPool GlobalAveragePool GlobalMaxPool GlobalLpPool
    DepthToSpace SpaceToDepth
    """.split()  # noqa: SIM905 - see below
)
# Those that leave every number, or every place, where it was.
_IN_PLACE: Final = frozenset(
    """
    Relu LeakyRelu PRelu Clip Sigmoid HardSigmoid HardSwish Mish Elu Selu Celu Gelu Swish Softplus
    Softsign Tanh Erf Exp Sqrt Pow Abs Neg Add Sub Mul Div Min Max Sum Cast Identity Dropout Pad
    Resize Concat QuantizeLinear DequantizeLinear
    """.split()  # noqa: SIM905 - a list of quoted names would take a page
)
# Multiples of 32, as most networks want them, and different on both sides.
_SIZES: Final = ((224, 224), (256, 320))


@dataclass(frozen=True)
class Pooling:
    """``mean``: over ``axes``; ``first``: of axis 1; ``none``: all numbers, as they are."""

    how: Literal["mean", "first", "none"]
    axes: tuple[int, ...] = ()


def pooling(
    reader: GraphReader, target: str, sides: Sides, pool: Pool, measure: Measure
) -> Pooling:
    """What makes [N, dimension] of a tensor. Raises ConversionError if nothing does, or what was
    asked for does not."""
    shape = reader.shapes.get(target, ())
    if not shape or (len(shape) == 3 and not isinstance(shape[1], int)):
        shape = measure(sides.height, sides.width) or shape
    if len(shape) not in (2, 3, 4):
        raise ConversionError(
            f"{target} has {f'the shape {written(shape)}' if shape else 'an unknown shape'}; an "
            "embedding is made of [N, C], [N, tokens, C] or [N, C, height, width]."
        )
    if pool in ("mean", "first") and len(shape) == 2:
        raise ConversionError(
            f"{target} has the shape {written(shape)}, so it has neither places nor tokens: leave "
            f"--pool {pool} out."
        )
    if pool == "first" and len(shape) == 4:
        raise ConversionError(
            f"{target} has the shape {written(shape)}, so it has places and no tokens: give --pool "
            "mean or none."
        )
    asked = "asked for" if pool != "auto" else None
    if pool == "none" or len(shape) == 2:
        reader.facts.append(Fact("pooling", "as it is", asked or "it is one row"))
        return Pooling("none")
    if len(shape) == 4:
        axes, why = _places(reader, target, shape, sides, measure)
        single = all(shape[axis] == 1 for axis in axes)
        value = "as it is" if single else "the mean over places"
        reason = f"asked for; {why}" if asked else "it has one place" if single else why
        reader.facts.append(Fact("pooling", value, reason))
        return Pooling("mean", axes)
    first, why = _first_token(shape[1], sides)
    if pool != "auto":
        first, why = pool == "first", "asked for"
    reader.facts.append(
        Fact("pooling", "the first token" if first else "the mean of all tokens", why)
    )
    return Pooling("first") if first else Pooling("mean", (1,))


def _first_token(count: Any, sides: Sides) -> tuple[bool, str]:
    """Whether the first of some tokens stands for the image, and not for its upper left corner."""
    if not isinstance(count, int):
        return True, "usual; the graph does not say how many there are"
    grids = {rows * columns: (rows, columns) for rows, columns in _grids(sides)}
    if count in grids:
        return False, "{} tokens are {}x{} places, and none for all".format(count, *grids[count])
    if count - 1 in grids:
        return True, "{} tokens are one for all and {}x{} places".format(count, *grids[count - 1])
    return True, f"usual; {count} tokens are more than places"


def _grids(sides: Sides) -> Iterator[tuple[int, int]]:
    """The rows and columns of places that an image may be cut into."""
    for patch in range(1, max(sides.height, sides.width) + 1):
        yield -(-sides.height // patch), -(-sides.width // patch)
        if patch <= min(sides.height, sides.width):
            yield sides.height // patch, sides.width // patch


def _places(
    reader: GraphReader, target: str, shape: Shape, sides: Sides, measure: Measure
) -> tuple[tuple[int, ...], str]:
    """Which two of four axes are places and not channels, and from what that was read."""
    channels = _channels(reader, target, sides)
    if channels is not None:
        return _others(channels), f"the channels are the {_ORDINALS[channels]} axis of its layers"
    if not sides.fixed:
        shapes = [measure(*size) for size in _SIZES]
        if shapes[0] is not None and shapes[1] is not None:
            changed = tuple(axis for axis in (1, 2, 3) if shapes[0][axis] != shapes[1][axis])
            if len(changed) == 2:
                return changed, "these change with the image's size"
    if not all(isinstance(size, int) for size in shape[1:]):
        shape = measure(sides.height, sides.width) or shape
    grids = set(_grids(sides))
    fitting = [pair for pair in ((2, 3), (1, 2)) if tuple(shape[axis] for axis in pair) in grids]
    if len(fitting) == 1:
        return fitting[0], "these have the image's proportions"
    usual = (1, 2) if sides.layout == "NHWC" else (2, 3)
    return usual, "usual for images in this layout"


_ORDINALS: Final = ("first", "second", "third", "last")


def _others(channels: int) -> tuple[int, ...]:
    return tuple(axis for axis in (1, 2, 3) if axis != channels)


def _channels(reader: GraphReader, target: str, sides: Sides) -> int | None:
    """The axis of the channels, by the layer that made them; None if no layer says it."""
    order, name = [0, 1, 2, 3], target
    image = {one.name for one in reader.graph.input}
    while name not in image:
        node = reader.made_by.get(name)
        if node is None:
            return None
        if node.op_type == "Transpose":
            moved = next((list(one.ints) for one in node.attribute if one.name == "perm"), None)
            if moved is None or sorted(moved) != [0, 1, 2, 3]:
                return None
            order = [moved[axis] for axis in order]
            name = node.input[0]
        elif node.op_type in _CHANNELS_SECOND:
            return order.index(1) or None
        elif _is_over_last(reader, node):
            return order.index(3) or None
        elif node.op_type in _IN_PLACE:
            name = reader.flowing(node)
        else:
            return None
    return order.index(1 if sides.layout == "NCHW" else 3) or None


def _is_over_last(reader: GraphReader, node: Any) -> bool:
    """Whether a layer takes the last axis as channels."""
    if node.op_type == "LayerNormalization":
        axis = next((helper.get_attribute_value(a) for a in node.attribute if a.name == "axis"), -1)
        return axis in (-1, 3)
    return node.op_type == "MatMul" and node.input[1] in reader.constants
