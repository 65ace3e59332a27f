"""A program of one array kernel and one digital operation, small enough to cost by hand."""

from __future__ import annotations

import numpy as np

from imcflow.runtime.assembler import Geometry, assemble
from imcflow.runtime.loader import check_program
from imcflow.runtime.program import ApKernel, ApOutput, DigitalOp, PortInfo, Program, TensorInfo, vector_window
from imcflow.targets import load_target
from imcflow.targets.ap import ApTarget

# One lane per image: y = a + b on the array, then y * y in the digital unit.
STREAM = """
clear r=2:0+6 words=2
load  r=0:0+4 in=0 element=0
load  r=1:0+4 in=0 element=1
add   r=2:0+5 a=0:0+4u b=1:0+4u c=3:0 rzero czero
store a=2:0+5u out=0 element=0
"""


def machine(name: str = "rtm-ap-256-cam") -> ApTarget:
    """Return a preset."""
    target = load_target(name)
    assert isinstance(target, ApTarget)
    return target


def sum_program(target: ApTarget, text: str = STREAM, arrays: int = 1, *, name: str = "sums") -> Program:
    """Return the program, checked; `text` is the assembly of its kernel."""
    summary = target.summary()
    kernel = ApKernel(
        name="sum",
        onnx_nodes=("Add_0", "Relu_1"),
        inputs=(vector_window(0, 2, 4, False),),
        outputs=(ApOutput(1, 1, 1, 1, 5, False),),
        instructions=assemble(text, Geometry.of(summary)),
        step_thresholds=np.zeros((0, 0), np.int64),
        step_low=np.zeros(0, np.int64),
        step_descending=np.zeros(0, np.bool_),
        array_count=arrays,
    )
    program = Program(
        name=name,
        target=summary,
        tensors=(TensorInfo("x", (2,), "ui4"), TensorInfo("y", (1,), "ui5"), TensorInfo("z", (1,), "ui10")),
        inputs=(PortInfo("x", 0, "uint8"),),
        outputs=(PortInfo("z", 2, "int32"),),
        steps=(kernel, DigitalOp("square", "mul", {}, (1, 1), 2, ("Mul_2",))),
    )
    check_program(program)
    return program
