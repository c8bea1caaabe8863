"""Which tensor of a graph an embedding is made of."""

from typing import Final

from errors import ConversionError
from models.offline.graph_reader import Fact, GraphReader

# After a classifier's sums, these only change how they are written.
_AFTER: Final = frozenset(
    ("Softmax", "LogSoftmax", "Sigmoid", "Identity", "Cast", "Squeeze", "Flatten", "Reshape")
)
_EMBEDDING_WORDS: Final = ("embed", "feature", "pooler", "hidden", "pooled")
_CLASSES: Final = frozenset((10, 100, 365, 1000, 1001, 11221, 11821, 21841, 21843))


def embedding_tensor(reader: GraphReader, image: str, wanted: str | None) -> str:
    """Its name: the one asked for, an output that is called an embedding, or what the classifier
    takes. Raises ConversionError."""
    outputs = [str(one.name) for one in reader.graph.output]
    if wanted is not None:
        if wanted not in reader.made_by:
            raise ConversionError(
                f"The graph has no tensor {wanted!r}; its outputs are {', '.join(outputs)}, and "
                "any other tensor's name will do."
            )
        reader.facts.append(Fact("output", wanted, "asked for"))
        return wanted
    # Of a network for texts and images, those of the texts are no embeddings of images.
    alone = [name for name in outputs if reader.inputs_of(name) == {image}]
    reason = "the graph's output" if len(outputs) == 1 else "of the graph's outputs"
    if alone and len(alone) < len(outputs):
        reason = "of the outputs that an image alone decides"
    for name in alone or outputs:
        if any(word in name.lower() for word in _EMBEDDING_WORDS):
            reader.facts.append(Fact("output", name, reason))
            return name
    first = (alone or outputs)[0]
    before = _before_classifier(reader, first)
    if before is not None:
        reader.facts.append(Fact("output", before, "the layer before the classifier"))
        return before
    reader.facts.append(Fact("output", first, reason))
    return first


def _before_classifier(reader: GraphReader, name: str) -> str | None:
    """What the last dense layer takes, if it looks like a classifier's."""
    node, certain = reader.made_by.get(name), False
    while node is not None and (
        node.op_type in _AFTER or (node.op_type == "Add" and reader.has_constant(node))
    ):
        certain |= node.op_type in ("Softmax", "LogSoftmax", "Sigmoid", "Add")
        name = reader.flowing(node)
        node = reader.made_by.get(name)
    if node is None or node.op_type not in ("Gemm", "MatMul", "Conv"):
        return None
    if not reader.has_constant(node):
        return None
    certain |= node.op_type != "MatMul" and len(node.input) == 3
    classes = next((size for size in reader.shapes.get(name, ())[1:2]), None)
    if not certain and classes not in _CLASSES:
        return None
    before = reader.flowing(node)
    if node.op_type == "Conv" and not _is_single(reader, before):
        return None
    return before


def _is_single(reader: GraphReader, name: str) -> bool:
    """Whether a tensor has one place only, as before a classifier that is a convolution."""
    return tuple(reader.shapes.get(name, ())[2:]) == (1, 1)
