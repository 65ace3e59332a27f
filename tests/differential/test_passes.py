"""No pass changes a value: the reference interpreter gives the same integers before and after each."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from network_strategies import DIALECTS, networks
from networks import Network
from xdsl.context import Context

from imcflow.dialect.interpreter import interpret
from imcflow.lowering.onnx.importer import import_model
from imcflow.passes.pipelines import QUANTISED_LEVEL
from imcflow.universe import IMC_UNIVERSE


@pytest.mark.parametrize("dialect", DIALECTS)
@given(data=st.data())
def test_each_pass_keeps_every_output_integer(dialect: str, data: st.DataObject) -> None:
    network: Network = data.draw(networks((dialect,)))
    module = import_model(network.model(), input_types=network.input_types)
    inputs = {"x": network.images}
    expected = interpret(module, inputs)["y"]
    for name in QUANTISED_LEVEL:
        IMC_UNIVERSE.all_passes[name]()().apply(Context(), module)
        module.verify()
        np.testing.assert_array_equal(interpret(module, inputs)["y"], expected, err_msg=f"after {name}")
