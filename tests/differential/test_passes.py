"""No pass changes a value: the reference interpreter gives the same integers before and after each."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from network_strategies import DIALECTS, networks
from networks import Network
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass, PassPipeline

from imcflow.dialect.interpreter import interpret
from imcflow.lowering.onnx.importer import import_model
from imcflow.passes.pipelines import default_pipeline
from imcflow.universe import IMC_UNIVERSE

FIRST_MAPPED_PASS = "imc-assign-units"


def passes_to_the_quantised_level() -> Iterator[ModulePass]:
    text = f"imc-canonicalize,{default_pipeline('aimc-256x64')}"
    for compiler_pass in PassPipeline.parse_spec(IMC_UNIVERSE.all_passes, text).passes:
        if compiler_pass.name == FIRST_MAPPED_PASS:
            return
        yield compiler_pass


def imported(network: Network) -> ModuleOp:
    return import_model(network.model(), input_types=network.input_types)


def test_the_default_pipeline_reaches_the_quantised_level():
    names = [compiler_pass.name for compiler_pass in passes_to_the_quantised_level()]
    assert names[0] == "imc-canonicalize"
    # Analog targets have one pass more than the others.
    assert names[-2:] == ["imc-verify-quantised", "imc-unsign-activations"]


@pytest.mark.parametrize("dialect", DIALECTS)
@given(data=st.data())
def test_each_pass_keeps_every_output_integer(dialect: str, data: st.DataObject) -> None:
    network: Network = data.draw(networks((dialect,)))
    module = imported(network)
    inputs = {"x": network.images}
    expected = interpret(module, inputs)["y"]
    for compiler_pass in passes_to_the_quantised_level():
        compiler_pass.apply(Context(), module)
        module.verify()
        result = interpret(module, inputs)["y"]
        np.testing.assert_array_equal(result, expected, err_msg=f"after {compiler_pass.name}")
