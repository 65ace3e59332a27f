"""The imported network means what onnxruntime computes, on generated networks in five dialects."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from network_strategies import DIALECTS, networks
from networks import Network
from reference_runtime import onnxruntime_result

from imcflow.dialect.interpreter import interpret
from imcflow.lowering.onnx.importer import import_model


@pytest.mark.parametrize("dialect", DIALECTS)
@given(data=st.data())
def test_the_reference_interpreter_equals_onnxruntime(dialect: str, data: st.DataObject) -> None:
    network: Network = data.draw(networks((dialect,)))
    expected = onnxruntime_result(network.model(plain=True), network.images)
    module = import_model(network.model(), input_types=network.input_types)
    result = interpret(module, {"x": network.images})["y"]
    np.testing.assert_array_equal(result, expected)
