"""The operators that the graph of an extractor may have.

Each is one of a standard domain or of ONNX Runtime's own, without side effects, subgraphs or loops,
and its output's size follows from its inputs' sizes, from attributes or from the inputs that
``models.graph`` names in ``_SIZES``: a graph of these ends, and an image cannot decide how much
memory it takes. To allow another one, read its specification, then add it.
"""

from typing import Final

from models.graph import ALLOWED_OPERATORS

EXTRACTOR_OPERATORS: Final = ALLOWED_OPERATORS | frozenset(
    """
    And AveragePool BatchNormalization Ceil Celu Constant Conv ConvTranspose Cos CumSum
    DepthToSpace DequantizeLinear Dropout DynamicQuantizeLinear Einsum Elu Floor GatherND Gelu
    GlobalAveragePool GlobalLpPool GlobalMaxPool GroupNormalization HardSigmoid HardSwish Hardmax
    InstanceNormalization LRN LayerNormalization LeakyRelu LogSoftmax LpPool MatMulInteger MaxPool
    MeanVarianceNormalization Mish Mod ConvInteger PRelu Pad QLinearConv QLinearMatMul
    QuantizeLinear RMSNormalization Range Resize Round ScatterND Selu Sin Size SpaceToDepth Swish
    Tan ThresholdedRelu Trilu

    com.microsoft.BiasGelu com.microsoft.FastGelu com.microsoft.Gelu
    com.microsoft.QGemm com.microsoft.QLinearAdd com.microsoft.QLinearAveragePool
    com.microsoft.QLinearConcat com.microsoft.QLinearGlobalAveragePool
    com.microsoft.QLinearLeakyRelu com.microsoft.QLinearMul com.microsoft.QLinearSigmoid
    com.microsoft.QLinearSoftmax com.microsoft.QuickGelu com.microsoft.SkipLayerNormalization
    com.microsoft.DequantizeLinear com.microsoft.QuantizeLinear
    """.split()  # noqa: SIM905 - a list of quoted names would take two pages
)
