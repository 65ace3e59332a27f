"""Step functions in the array give what the step table gives."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imcflow.errors import TargetError
from imcflow.passes.allocation.allocate import ArrayGeometry
from imcflow.passes.emission.array_steps import ArraySteps
from imcflow.passes.emission.steps import StepTable
from imcflow.runtime.assembler import Geometry, assemble
from imcflow.runtime.execution.run import run_program
from imcflow.runtime.isa import Opcode
from imcflow.runtime.loader import check_program
from imcflow.runtime.program import (
    ApKernel,
    ApOutput,
    PortInfo,
    Program,
    TargetSummary,
    TensorInfo,
    element_type,
    vector_window,
)

GEOMETRY = ArrayGeometry(tracks=8, domains=16)
BITS = 6


def program_of(table: np.ndarray, steps: StepTable, signed: bool, output: str) -> Program:
    element = element_type(output)
    kernel = ApKernel(
        name="k",
        onnx_nodes=(),
        inputs=(vector_window(0, 2, BITS, signed),),
        outputs=(ApOutput(1, 2, 1, 1, element.bits, element.signed),),
        instructions=table,
        step_thresholds=steps.thresholds,
        step_low=steps.low,
        step_descending=steps.descending,
        array_count=2,
    )
    program = Program(
        name="p",
        target=TargetSummary("t", "", rows=64, tracks=GEOMETRY.tracks, domains=GEOMETRY.domains),
        tensors=(TensorInfo("x", (2,), f"{'si' if signed else 'ui'}{BITS}"), TensorInfo("y", (2,), output)),
        inputs=(PortInfo("x", 0, "int8"),),
        outputs=(PortInfo("y", 1, "int32"),),
        steps=(kernel,),
    )
    check_program(program)
    return program


def stream(signed: bool) -> np.ndarray:
    s = "s" if signed else "u"
    return assemble(
        f"""
        clear r=0:0+16 words=8
        load  r=1:3+{BITS} in=0 element=0
        load  r=1/2:0+{BITS} in=0 element=1
        copy  r=3:3+{BITS} a=1:3+{BITS}{s} rzero
        store_step a=3:3+{BITS}{s} out=0 element=0 row=0
        store_step a=1/2:0+{BITS}{s} out=0 element=1 row=1
        """,
        Geometry(GEOMETRY.tracks, GEOMETRY.domains),
    )


@given(
    st.booleans(),
    st.lists(st.integers(-70, 70), min_size=2, max_size=2),
    st.lists(st.booleans(), min_size=2, max_size=2),
    st.integers(1, 7).flatmap(
        lambda levels: st.lists(
            st.lists(st.integers(-80, 80), min_size=levels, max_size=levels), min_size=2, max_size=2
        )
    ),
)
def test_both_ways_give_the_same_integers(
    signed: bool, low: list[int], descending: list[bool], thresholds: list[list[int]]
) -> None:
    steps = StepTable(np.sort(np.array(thresholds), axis=1), np.array(low), np.array(descending))
    table = stream(signed)
    expanded, start = ArraySteps(steps, GEOMETRY, element_type("si8"), "layer").expand(table)
    assert Opcode.STORE_STEP not in expanded["opcode"]
    assert start[-1] == len(expanded)
    np.testing.assert_array_equal(expanded[start[1:4]], table[1:4])
    x = np.arange(-32, 32, dtype=np.int8) + (0 if signed else 32)
    inputs = {"x": np.stack((x, x[::-1]), axis=1)}
    none = StepTable(np.zeros((0, 0), np.int64), np.zeros(0, np.int64), np.zeros(0, np.bool_))
    wanted = run_program(program_of(table, steps, signed, "si8"), inputs, threads=1)["y"]
    for fidelity in ("word", "micro"):
        found = run_program(program_of(expanded, none, signed, "si8"), inputs, fidelity=fidelity, threads=1)["y"]
        np.testing.assert_array_equal(found, wanted)


def test_a_full_array_is_refused() -> None:
    steps = StepTable(np.array([[0]]), np.array([0]), np.array([False]))
    table = assemble(
        "\n".join(f"load r={track}:0+12 in=0 element=0" for track in range(8))
        + "\nstore_step a=0:0+6s out=0 element=0 row=0",
        Geometry(8, 16),
    )
    with pytest.raises(TargetError, match=r"conv: .*free word of 8 bits on 4 tracks, array 0 has fewer"):
        ArraySteps(steps, GEOMETRY, element_type("si8"), "conv").expand(table)
    assert len(ArraySteps(steps, GEOMETRY, element_type("ui4"), "conv").expand(table)[0]) == 8 + 3
