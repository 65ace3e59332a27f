"""A small program that uses every opcode, two arrays, every kind of port and a digital tail."""

from __future__ import annotations

import numpy as np
import pytest

from imcflow.runtime.assembler import Geometry, assemble
from imcflow.runtime.program import (
    ApKernel,
    ApOutput,
    DigitalOp,
    PortInfo,
    Program,
    Region,
    TargetSummary,
    TensorInfo,
    Window,
)

TARGET = TargetSummary("tiny", "sha256:00", rows=64, tracks=16, domains=32, or_latch=False, array_count=4)

STREAM = """
clear r=0:0+8 words=4
clear r=4:0+12 words=8
load  r=0:0+4 in=0 element=0
load  r=1:0+4 in=0 element=3
load  r=2:0+4 in=0 element=7
set   r=3:0+6 value=5
add   r=4:0+5 a=0:0+4u b=1:0+4u c=15:0 rzero
sub   r=5:0+6 a=4:0+5u b=2:0+4u c=14:0 rzero
neg   r=6:0+6 a=2:0+4u c=14:1
copy  r=7:0+8 a=5:0+6s rzero
add_into r=7:0+8 a=6:0+6s c=13:0
sub_from r=7:0+8 a=4:0+5u c=13:0
add   r=8:0+6 a=0:0+4u b=4:0+5u c=15:0 rzero czero
relu  r=7:0+8
clear r=1/2:0+10 words=1
move  r=1/0:0+8 a=7:0+8
load  r=1/1:0+4 in=1 element=0
add_into r=1/0:0+8 a=1/1:0+4s c=1/15:0
copy  r=1/2:0+8 a=1/0:0+8s rzero
max_into r=1/0:0+8s a=1/2:0+8 c=1/14:0 b=1/13:0
step  r=1/2:0+2 a=1/0:0+8s c=1/14:0 b=1/13:0 at=-3 value=1
store a=1/0:0+8s out=0 element=1
store_step a=7:0+8s out=0 element=0 row=0
store a=4:0+5u out=1 element=0
"""


def make_program() -> Program:
    instructions = assemble(STREAM, Geometry.of(TARGET))
    feature_map = Window(
        tensor=0,
        channels=2,
        height=4,
        width=4,
        kernel=(2, 2),
        strides=(2, 2),
        pads=(0, 1, 1, 0),
        dilations=(1, 1),
        pad_value=3,
        bits=4,
        signed=False,
    )
    point = Window(
        tensor=1,
        channels=1,
        height=2,
        width=2,
        kernel=(1, 1),
        strides=(1, 1),
        pads=(0, 0, 0, 0),
        dilations=(1, 1),
        pad_value=0,
        bits=4,
        signed=True,
    )
    kernel = ApKernel(
        name="conv",
        onnx_nodes=("Conv_0", "Relu_1"),
        inputs=(feature_map, point),
        outputs=(ApOutput(2, 2, 2, 2, 8, True), ApOutput(3, 1, 2, 2, 6, False)),
        instructions=instructions,
        step_thresholds=np.array([[-4, 0, 9]], dtype=np.int64),
        step_low=np.array([-1], dtype=np.int64),
        step_descending=np.array([True]),
        array_count=2,
        regions=(Region(0, 6, "operands", "Conv_0"), Region(6, len(instructions), "sums", "Conv_0")),
    )
    return Program(
        name="sample",
        target=TARGET,
        tensors=(
            TensorInfo("x", (2, 4, 4), "ui4"),
            TensorInfo("z", (1, 2, 2), "si4"),
            TensorInfo("conv", (2, 2, 2), "si8"),
            TensorInfo("spare", (1, 2, 2), "ui6"),
            TensorInfo("flat", (8,), "si8"),
            TensorInfo("logits", (3,), "si16"),
            TensorInfo("probabilities", (3,), "f32"),
        ),
        inputs=(PortInfo("input", 0, "float32"), PortInfo("bias", 1, "int8")),
        outputs=(PortInfo("logits", 5, "int32"), PortInfo("p", 6, "float32"), PortInfo("spare", 3, "uint8")),
        steps=(
            kernel,
            DigitalOp("flatten", "reshape", {}, (2,), 4, ("Flatten_2",)),
            DigitalOp("fc", "gemm", {}, (4, "fc.weights", "fc.bias"), 5, ("Gemm_3",)),
            DigitalOp("scale", "dequantize", {}, (5, "scale", "zero"), 6, ("DequantizeLinear_4",)),
        ),
        constants={
            "fc.weights": np.arange(24, dtype=np.int8).reshape(3, 8) - 12,
            "fc.bias": np.array([1, -2, 3], dtype=np.int32),
            "scale": np.array(0.25, dtype=np.float32),
            "zero": np.array(0, dtype=np.int8),
        },
        pipeline="imc-emit-program{target=tiny}",
        metadata={"source": "sample.onnx"},
    )


@pytest.fixture
def program() -> Program:
    return make_program()


@pytest.fixture
def kernel(program: Program) -> ApKernel:
    return program.kernels[0]
