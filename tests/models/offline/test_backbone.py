import resource
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import helper, load_model_from_string, numpy_helper

from errors import ConversionError
from images.spec import ImageSpec
from models.limits import free_bytes
from tests.extractors import SPEC, tiny_backbone, tiny_graph

_limits: list[int] = []


class Watching(ImageSpec):
    """Notes the process's limit whenever features are made."""

    def features(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        _limits.append(resource.getrlimit(resource.RLIMIT_DATA)[0])
        return super().features(pixels)


@pytest.mark.parametrize(
    ("field", "value", "allowed"),
    [
        ("license", "x" * 201, "license: string should have at most 200"),
        ("source", "x" * 501, "source: string should have at most 500"),
        ("input_name", "x" * 201, "input_name: string should have at most 200"),
        ("dimension", 9000, "dimension: input should be less than or equal to 8192"),
        ("dimension", 0, "dimension: input should be greater than or equal to 1"),
    ],
)
def test_what_no_manifest_can_say_is_a_sentence(
    tmp_path: Path, field: str, value: Any, allowed: str
) -> None:
    with pytest.raises(ConversionError, match=f"'tiny' cannot be an extractor: {allowed}"):
        tiny_backbone(**{field: value}).write(tmp_path)


@pytest.mark.skipif(free_bytes() is None, reason="only Linux has a limit that fits")
def test_its_memory_is_limited(tmp_path: Path) -> None:
    _limits.clear()
    backbone = tiny_backbone(spec=Watching(**SPEC.model_dump()))
    assert backbone.takes_batches()
    backbone.write(tmp_path)
    assert len(_limits) == 2
    assert resource.RLIM_INFINITY not in _limits


def test_a_graph_that_needs_too_much_memory_is_a_sentence(tmp_path: Path) -> None:
    model = load_model_from_string(tiny_graph())
    model.graph.node[-1].output[0] = "row"
    model.graph.node.extend(
        [
            helper.make_node("ConstantOfShape", ["much"], ["zeros"]),
            helper.make_node("ReduceMax", ["zeros"], ["zero"], keepdims=0),
            helper.make_node("Add", ["row", "zero"], ["embedding"]),
        ]
    )
    model.graph.initializer.append(numpy_helper.from_array(np.array([2**42]), "much"))
    with pytest.raises(
        ConversionError, match="tiny needs more memory for images of rgb-16x16 than"
    ):
        tiny_backbone(graph=model.SerializeToString()).write(tmp_path)
