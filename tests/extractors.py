"""Extractors and versions that use them, small enough to be made within a test."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from sklearn.linear_model import LogisticRegression

from images.spec import ImageSpec
from models.extractor import Extractor
from models.extractors import Extractors
from models.offline.backbone import Backbone
from models.offline.candidate import Candidate
from models.store import Store
from models.version import Version

SPEC = ImageSpec(mode="RGB", width=16, height=16)
DIMENSION = 12
COLORS = {"red": (220, 40, 40), "green": (40, 200, 60), "blue": (50, 60, 210)}


def tiny_graph(layout: str = "NHWC", seed: int = 0, dimension: int = DIMENSION) -> bytes:
    """An ONNX network: a convolution, HardSwish, a global average, then ``dimension`` numbers."""
    random = np.random.default_rng(seed)
    weights = {
        "kernel": random.normal(0, 0.5, (8, 3, 3, 3)),
        "bias": random.normal(0, 0.1, 8),
        "dense": random.normal(0, 0.7, (8, dimension)),
    }
    nodes = [
        helper.make_node("Conv", ["chw", "kernel", "bias"], ["conv"], pads=[1, 1, 1, 1]),
        helper.make_node("HardSwish", ["conv"], ["active"]),
        helper.make_node("GlobalAveragePool", ["active"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("MatMul", ["flat", "dense"], ["embedding"]),
    ]
    if layout == "NHWC":
        nodes.insert(0, helper.make_node("Transpose", ["pixels"], ["chw"], perm=[0, 3, 1, 2]))
        shape: list[int | str] = ["N", 16, 16, 3]
    else:
        nodes.insert(0, helper.make_node("Identity", ["pixels"], ["chw"]))
        shape = ["N", 3, 16, 16]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["N", dimension])],
        [
            numpy_helper.from_array(array.astype(np.float32), name)
            for name, array in weights.items()
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    content: bytes = model.SerializeToString()
    return content


def scene_graph() -> bytes:
    """An ONNX network whose embedding, of 48 numbers, is what is where: the mean color, less a
    medium gray, of each of 4x4 parts."""
    nodes = [
        helper.make_node("Transpose", ["pixels"], ["chw"], perm=[0, 3, 1, 2]),
        helper.make_node("AveragePool", ["chw"], ["parts"], kernel_shape=[4, 4], strides=[4, 4]),
        helper.make_node("Flatten", ["parts"], ["flat"]),
        helper.make_node("Sub", ["flat", "gray"], ["embedding"]),
    ]
    graph = helper.make_graph(
        nodes,
        "scene",
        [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["N", 16, 16, 3])],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["N", 48])],
        [numpy_helper.from_array(np.full(1, 0.5, np.float32), "gray")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    content: bytes = model.SerializeToString()
    return content


def tiny_backbone(name: str = "tiny", **changes: Any) -> Backbone:
    fields: dict[str, Any] = {
        "graph": tiny_graph(),
        "spec": SPEC,
        "layout": "NHWC",
        "input_name": "pixels",
        "output_name": "embedding",
        "dimension": DIMENSION,
        "license": "CC0-1.0",
        "license_text": "To the extent possible under law, all rights are waived.",
        "source": "tests/extractors.py",
    }
    return Backbone(name=name, **(fields | changes))


def saved_extractor(store: Store, name: str = "tiny", **changes: Any) -> Extractor:
    """A tiny extractor in the store."""
    return Extractors(store).save(name, tiny_backbone(name, **changes).write)


def photos(count: int, seed: int = 0) -> tuple[NDArray[np.uint8], list[str]]:
    """Noisy flat images in three colors, uint8 [count, 768], and their labels."""
    random = np.random.default_rng(seed)
    labels = [list(COLORS)[index] for index in random.integers(0, len(COLORS), count)]
    flat = np.array([COLORS[label] for label in labels])[:, None, :]
    noisy = flat + random.normal(0, 25, (count, SPEC.width * SPEC.height, 3))
    return np.clip(noisy, 0, 255).astype(np.uint8).reshape(count, -1), labels


def scenes(count: int, frames: int = 2, seed: int = 0) -> NDArray[np.uint8]:
    """Bursts of so many frames, one after the other, uint8 [count * frames, 768]: in each the
    camera has moved by a pixel, and the thumbnails are not alike."""
    random = np.random.default_rng(seed)
    found = random.integers(0, 256, (count, 4, 4, 3)).repeat(4, axis=1).repeat(4, axis=2)
    moved = [np.roll(found, step, axis=2) for step in range(frames)]
    noisy = np.stack(moved, axis=1) + random.normal(0, 3, (count, frames, 16, 16, 3))
    return np.clip(noisy, 0, 255).astype(np.uint8).reshape(count * frames, -1)


def photos_candidate(extractor: Extractor, name: str = "colors", seed: int = 0) -> Candidate:
    """A logistic regression that takes the embeddings of ``extractor``."""
    pixels, labels = photos(90, seed)
    embeddings = extractor.open().run(extractor.manifest.image_spec.features(pixels))
    estimator = LogisticRegression(max_iter=500).fit(embeddings[:60], labels[:60])
    return Candidate(
        name=name,
        estimator=estimator,
        spec=extractor.manifest.image_spec,
        check_pixels=pixels[60:],
        extractor=extractor,
        check_embeddings=embeddings[60:],
    )


def saved_photos_version(
    store: Store, extractor: Extractor | None = None, name: str = "colors", seed: int = 0
) -> Version:
    """A version of such a candidate."""
    return store.save(photos_candidate(extractor or saved_extractor(store), name, seed))
