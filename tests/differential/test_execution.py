"""The executed instruction stream gives what the source network means, in both fidelities, on generated networks."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from network_strategies import DIALECTS, networks
from networks import Network

import imcflow
from imcflow.compiled import FIDELITIES, CompiledProgram
from imcflow.dialect.interpreter import interpret
from imcflow.lowering.onnx.importer import import_model


def compiled(network: Network) -> CompiledProgram:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "network.onnx"
        onnx.save(network.model(), path)
        return imcflow.compile(path, input_types=network.input_types)


@pytest.mark.parametrize("dialect", DIALECTS)
@given(data=st.data())
def test_both_fidelities_equal_the_reference(dialect: str, data: st.DataObject) -> None:
    network: Network = data.draw(networks((dialect,)))
    inputs = {"x": network.images}
    expected = interpret(import_model(network.model(), input_types=network.input_types), inputs)["y"]
    program = compiled(network)
    for fidelity in FIDELITIES:
        result = program.run(inputs, fidelity=fidelity)["y"]
        np.testing.assert_array_equal(result, expected, err_msg=fidelity)
