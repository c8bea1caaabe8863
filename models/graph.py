"""What a graph consists of, and whether it may run.

It is read here from its bytes, as Protocol Buffers encode them: a server must know what a graph
does before ONNX Runtime computes any part of it, which begins while it is loaded, and has no onnx.
https://protobuf.dev/programming-guides/encoding/ and onnx.proto say how.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from errors import ArtifactError

# Operators of the standard domains without side effects, subgraphs or loops. To allow another one,
# read its specification, then add it.
ALLOWED_OPERATORS: Final = frozenset(
    """
    Abs Add And ArgMax ArgMin Cast Clip Concat ConstantOfShape Div Equal Erf Exp Expand Flatten
    Gather GatherElements Gemm Greater GreaterOrEqual Identity IsInf IsNaN Less LessOrEqual Log
    LpNormalization MatMul Max Mean Min Mul Neg Not OneHot Or Pow Reciprocal ReduceL1 ReduceL2
    ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare Relu
    Reshape Shape Sigmoid Sign Slice Softmax Softplus Softsign Split Sqrt Squeeze Sub Sum Tanh Tile
    TopK Transpose Unsqueeze Where Xor

    ai.onnx.ml.ArrayFeatureExtractor ai.onnx.ml.Binarizer ai.onnx.ml.FeatureVectorizer
    ai.onnx.ml.Imputer ai.onnx.ml.LinearClassifier ai.onnx.ml.LinearRegressor
    ai.onnx.ml.Normalizer ai.onnx.ml.SVMClassifier ai.onnx.ml.SVMRegressor ai.onnx.ml.Scaler
    ai.onnx.ml.TreeEnsembleClassifier ai.onnx.ml.TreeEnsembleRegressor
    """.split()  # noqa: SIM905 - a list of quoted names would take two pages
)

# Inputs that say how large an output is, by their position. An image must not decide that.
_SIZES: Final = {
    "ConstantOfShape": (0,),
    "Expand": (1,),
    "OneHot": (1,),
    "Pad": (1,),
    "Range": (0, 1, 2),
    "Reshape": (1,),
    "Resize": (1, 2, 3),
    "Tile": (1,),
    "TopK": (1,),
}
# More than the graph of any classifier that is written or converted here.
MAX_NODES: Final = 100_000
# Besides runs; Python reads a million in half a second.
_MAX_FIELDS: Final = 3_000_000
_MAX_NAME: Final = 100

# The numbers of the fields, in onnx.proto.
_MODEL: Final = {"graph": 7, "training": 20, "functions": 25}
_GRAPH: Final = {"node": 1, "initializer": 5, "input": 11, "sparse": 15}
_NODE: Final = {"input": 1, "output": 2, "op_type": 4, "attribute": 5, "domain": 7}
_TENSOR: Final = {"name": 8, "external": 13, "location": 14}
_SUBGRAPHS: Final = (6, 11)  # of an attribute: g and graphs
_TENSORS: Final = (5, 10)  # t and tensors

# Numbers and names of tree nodes come by the million, one field each, and Python would take seconds
# for them: fields 7, 8 and 9 of an attribute, or of any message that has such.
_FLOAT: Final = 0x3D
_INTEGER: Final = 0x40
_MODES: Final = re.compile(rb"(?:\x4a\x0aBRANCH_LEQ|\x4a\x04LEAF|\x4a\x09BRANCH_LT|\x4a\x00)+")
_WINDOW: Final = 2**16


class _Field(NamedTuple):
    """``content``: of a string, bytes or a message; None for a number.

    ``value``: that of an integer.
    """

    number: int
    content: memoryview | None
    value: int


@dataclass(frozen=True)
class _Node:
    operator: str
    inputs: tuple[bytes, ...]
    outputs: tuple[bytes, ...]


@dataclass
class Contents:
    """The ``nodes`` of a graph in order, the names of its ``inputs`` and ``constants``, and whether
    it has ``subgraphs`` or functions, and data ``elsewhere``, in other files."""

    nodes: list[_Node] = field(default_factory=list)
    inputs: set[bytes] = field(default_factory=set)
    constants: set[bytes] = field(default_factory=set)
    subgraphs: bool = False
    elsewhere: bool = False
    _fields: int = 0

    @classmethod
    def of(cls, model: bytes) -> Self:
        """Raises ArtifactError if the bytes are not a model."""
        contents = cls()
        try:
            for number, content, _ in contents.fields(memoryview(model)):
                if number in (_MODEL["training"], _MODEL["functions"]):
                    contents.subgraphs = True
                elif number == _MODEL["graph"] and content is not None:
                    _read_graph(content, contents)
        except (IndexError, ValueError):
            raise ArtifactError(
                "ONNX Runtime cannot load the graph: it is not valid ONNX."
            ) from None
        return contents

    def fields(self, message: memoryview) -> Iterator[_Field]:
        """Those of a message, as long as all messages together have few enough.

        Raises IndexError or ValueError.
        """
        for found in _fields(message):
            self._fields += 1
            if self._fields > _MAX_FIELDS:
                raise ValueError(self._fields)
            yield found

    @property
    def operators(self) -> tuple[str, ...]:
        """Sorted: ``Gemm``, ``ai.onnx.ml.TreeEnsembleClassifier``."""
        return tuple(sorted({node.operator for node in self.nodes}))

    @property
    def fault(self) -> str | None:
        """What it has that a graph must not have; None if it is certain to end.

        That is: allowed operators only, no loops, no data outside of it, and no output whose size
        depends on the values of an image.
        """
        return self.fault_within(ALLOWED_OPERATORS)

    def fault_within(self, allowed: frozenset[str]) -> str | None:
        """The same with other operators allowed, those of extractors."""
        for operator in self.operators:
            if operator not in allowed:
                return f"the operator {operator}, which is not allowed (see models/graph.py)"
        if self.subgraphs:
            return "subgraphs or functions, which are not allowed"
        if self.elsewhere:
            return "external data"
        if len(self.nodes) > MAX_NODES:
            return f"{len(self.nodes):,} operators; the limit is {MAX_NODES:,}"
        return self._size_fault()

    def _size_fault(self) -> str | None:
        """Sizes may follow from constants and from other sizes, but not from values."""
        sizes = {b"", *self.constants} - self.inputs
        for node in self.nodes:
            for position in _SIZES.get(node.operator, ()):
                if position < len(node.inputs) and node.inputs[position] not in sizes:
                    return f"an output of {node.operator} whose size depends on the image"
            if node.operator == "Shape" or all(name in sizes for name in node.inputs):
                sizes.update(node.outputs)
        return None


def _read_graph(graph: memoryview, contents: Contents) -> None:
    for number, content, _ in contents.fields(graph):
        if content is None:
            continue
        if number == _GRAPH["node"]:
            contents.nodes.append(_read_node(content, contents))
        elif number == _GRAPH["initializer"]:
            contents.constants.add(_read_tensor(content, contents))
        elif number == _GRAPH["input"]:
            contents.inputs.update(
                bytes(name) for field_, name, _ in contents.fields(content) if field_ == 1 and name
            )
        elif number == _GRAPH["sparse"]:
            # None of the converters writes them, and their parts could be elsewhere.
            contents.elsewhere = True


def _read_node(node: memoryview, contents: Contents) -> _Node:
    inputs, outputs, operator, domain = [], [], "", ""
    for number, content, _ in contents.fields(node):
        if content is None:
            continue
        if number == _NODE["input"]:
            inputs.append(bytes(content))
        elif number == _NODE["output"]:
            outputs.append(bytes(content))
        elif number == _NODE["op_type"]:
            operator = str(content, "utf-8")
        elif number == _NODE["domain"]:
            domain = str(content, "utf-8")
        elif number == _NODE["attribute"]:
            _read_attribute(content, contents)
    name = operator if domain in ("", "ai.onnx") else f"{domain}.{operator}"
    if not name.isprintable() or len(name) > _MAX_NAME:
        raise ValueError(name)
    return _Node(name, tuple(inputs), tuple(outputs))


def _read_attribute(attribute: memoryview, contents: Contents) -> None:
    for number, content, _ in contents.fields(attribute):
        contents.subgraphs |= number in _SUBGRAPHS
        if number in _TENSORS and content is not None:
            _read_tensor(content, contents)


def _read_tensor(tensor: memoryview, contents: Contents) -> bytes:
    name = b""
    for number, content, value in contents.fields(tensor):
        if number == _TENSOR["external"] or (number == _TENSOR["location"] and value != 0):
            contents.elsewhere = True
        if number == _TENSOR["name"] and content is not None:
            name = bytes(content)
    return name


def _fields(message: memoryview) -> Iterator[_Field]:
    """The fields of a message, without the runs of numbers. Raises IndexError or ValueError."""
    position, end = 0, len(message)
    while position < end:
        after = _run_end(message, position)
        if after > position:
            position = after
            continue
        key, position = _varint(message, position)
        number, kind = key >> 3, key & 7
        content, value = None, 0
        if kind == 0:
            value, position = _varint(message, position)
        elif kind == 1:
            position += 8
        elif kind == 2:
            size, start = _varint(message, position)
            position = start + size
            content = message[start:position]
        elif kind == 5:
            position += 4
        else:
            raise ValueError(kind)
        if position > end:
            raise ValueError(position)
        yield _Field(number, content, value)


def _run_end(message: memoryview, position: int) -> int:
    """Where the fields end that begin at ``position`` and are all of one kind of ``_FLOAT``,
    ``_INTEGER`` or ``_MODES``; ``position`` itself if none does."""
    first = message[position]
    if first == _INTEGER or (first == _FLOAT and position + 5 <= len(message)):
        ends = _integers_end if first == _INTEGER else _floats_end
        start = position
        while True:
            after = ends(np.frombuffer(message[start : start + _WINDOW], np.uint8))
            start += after
            # Whatever the window cuts off begins the next one.
            if after < _WINDOW - 16:
                return start
    modes = _MODES.match(message, position)
    return position if modes is None else modes.end()


def _floats_end(window: NDArray[np.uint8]) -> int:
    """Each is its tag and four bytes."""
    tags = window[: len(window) // 5 * 5 : 5]
    others = np.flatnonzero(tags != _FLOAT)
    return 5 * int(others[0] if others.size else len(tags))


def _integers_end(window: NDArray[np.uint8]) -> int:
    """Each is its tag, some bytes above 127, and one below."""
    low = np.flatnonzero(window < 0x80)
    tags, lasts = low[0::2], low[1::2]
    tags = tags[: len(lasts)]
    right = window[tags] == _INTEGER
    right[1:] &= tags[1:] == lasts[:-1] + 1
    wrong = np.flatnonzero(~right)
    count = int(wrong[0] if wrong.size else len(tags))
    return int(lasts[count - 1]) + 1 if count else 0


def _varint(message: memoryview, position: int) -> tuple[int, int]:
    """The number at ``position``, and where it ends."""
    value = shift = 0
    while True:
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
        if shift > 63:
            raise ValueError(position)
