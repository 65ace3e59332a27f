"""The dialect object: every op and attribute of `imc`."""

from __future__ import annotations

from xdsl.ir import Dialect

from imcflow.dialect.attributes import RoundingAttr, UnitAttr
from imcflow.dialect.attributes_dataflow import DATAFLOW_ATTRIBUTES
from imcflow.dialect.attributes_schedule import SCHEDULE_ATTRIBUTES
from imcflow.dialect.ops_ap import AP_ATTRIBUTES, AP_OPS
from imcflow.dialect.ops_ap_unpacked import UNPACKED_OPS
from imcflow.dialect.ops_crossbar import CROSSBAR_ATTRIBUTES, CROSSBAR_OPS
from imcflow.dialect.ops_elementwise import (
    AbsOp,
    AddOp,
    CastOp,
    ClampOp,
    ClipOp,
    DivOp,
    ErfOp,
    GreaterEqualOp,
    GreaterOp,
    LogSoftmaxOp,
    MulOp,
    NegOp,
    PowOp,
    ReluOp,
    RoundOp,
    SigmoidOp,
    SignOp,
    SoftmaxOp,
    SqrtOp,
    SubOp,
)
from imcflow.dialect.ops_network import (
    AvgPoolOp,
    BatchNormOp,
    ConstantOp,
    Conv2dOp,
    GemmOp,
    MatMulOp,
    MaxPoolOp,
    SumPoolOp,
)
from imcflow.dialect.ops_quantise import BipolarOp, DequantizeOp, QuantizeOp, RequantizeOp, ThresholdOp
from imcflow.dialect.ops_shape import (
    ConcatOp,
    DepthToSpaceOp,
    PadOp,
    ReduceMeanOp,
    ReshapeOp,
    SliceOp,
    TopKOp,
    TransposeOp,
)

NETWORK_OPS = [
    ConstantOp,
    Conv2dOp,
    GemmOp,
    MatMulOp,
    MaxPoolOp,
    SumPoolOp,
    AvgPoolOp,
    BatchNormOp,
    AddOp,
    SubOp,
    MulOp,
    DivOp,
    PowOp,
    GreaterOp,
    GreaterEqualOp,
    ReluOp,
    NegOp,
    AbsOp,
    SignOp,
    CastOp,
    ClampOp,
    ClipOp,
    RoundOp,
    SqrtOp,
    ErfOp,
    SigmoidOp,
    SoftmaxOp,
    LogSoftmaxOp,
    QuantizeOp,
    DequantizeOp,
    BipolarOp,
    ThresholdOp,
    RequantizeOp,
    ReshapeOp,
    TransposeOp,
    ConcatOp,
    PadOp,
    SliceOp,
    DepthToSpaceOp,
    ReduceMeanOp,
    TopKOp,
]

Imc = Dialect(
    "imc",
    [*NETWORK_OPS, *AP_OPS, *UNPACKED_OPS, *CROSSBAR_OPS],
    [RoundingAttr, UnitAttr, *AP_ATTRIBUTES, *CROSSBAR_ATTRIBUTES, *SCHEDULE_ATTRIBUTES, *DATAFLOW_ATTRIBUTES],
)
