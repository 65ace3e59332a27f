"""Mapping changes no integer: the interpreter before and after each pass, and the program in both fidelities."""

from __future__ import annotations

import numpy as np
import pytest
from ap_networks import NetworkBuilder
from hypothesis import given, settings
from hypothesis import strategies as st

from imcflow.api import make_context
from imcflow.dialect.interpreter import interpret
from imcflow.lowering.isa.translate import program_from_module
from imcflow.passes.imc_allocate_tracks import ImcAllocateTracks
from imcflow.passes.imc_emit_program import ImcEmitProgram
from imcflow.passes.imc_infer_widths import ImcInferWidths
from imcflow.passes.imc_pack import ImcPack
from imcflow.passes.imc_reduce_arithmetic import ImcReduceArithmetic
from imcflow.passes.imc_unpack import ImcUnpack
from imcflow.passes.imc_unroll import ImcUnroll
from imcflow.passes.imc_verify_mapped import ImcVerifyMapped
from imcflow.passes.imc_verify_program import ImcVerifyProgram
from imcflow.runtime.execution.run import run_program


def mapping(scope: str, in_place: bool, target: str, effort: str, offset_binary: bool, arrays: int | str):
    return (
        ImcUnroll(target, arrays),
        ImcReduceArithmetic(scope, target, effort, repairs=2),
        ImcUnpack(limit=1_000_000),
        ImcPack(),
        ImcInferWidths(offset_binary, target),
        ImcAllocateTracks(target, in_place),
        ImcVerifyMapped(target),
    )


@pytest.mark.parametrize("target", ["rtm-ap-256", "rtm-ap-256-or"])
@given(
    seed=st.integers(0, 2**32 - 1),
    scope=st.sampled_from(("auto", "0", "1", "2")),
    effort=st.sampled_from(("default", "max")),
    in_place=st.booleans(),
    offset_binary=st.booleans(),
    arrays=st.sampled_from((1, 2, 4, "auto")),
)
@settings(max_examples=12)
def test_each_pass_and_the_program_give_the_same_integers(
    target: str, seed: int, scope: str, in_place: bool, effort: str, offset_binary: bool, arrays: int | str
):
    builder = NetworkBuilder(seed)
    module, images, context = builder.module(), builder.images(), make_context()
    expected = interpret(module, {"input0": images})["output0"]
    for compiler_pass in mapping(scope, in_place, target, effort, offset_binary, arrays):
        compiler_pass.apply(context, module)
        module.verify()
        result = interpret(module, {"input0": images})["output0"]
        np.testing.assert_array_equal(result, expected, err_msg=f"after {compiler_pass.name}")
    ImcEmitProgram(target).apply(context, module)
    module.verify()
    ImcVerifyProgram().apply(context, module)
    program = program_from_module(module)
    inputs = {"input0": images.astype(program.inputs[0].model_dtype)}
    for fidelity in ("word", "micro"):
        result = run_program(program, inputs, fidelity=fidelity)["output0"]
        np.testing.assert_array_equal(result, expected, err_msg=f"program, {fidelity}")
