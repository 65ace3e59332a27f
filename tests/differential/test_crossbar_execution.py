"""Generated networks on small digital macros: whole products and single bits give what the source network means."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from network_strategies import DIALECTS, networks
from networks import Network

import imcflow
from imcflow.compiled import FIDELITIES
from imcflow.dialect.interpreter import interpret
from imcflow.lowering.onnx.importer import import_model

PRESET = Path(imcflow.__file__).parent / "targets" / "presets" / "dimc-64x16x8-dm32.yaml"
SMALLER = {"rows: 64": "rows: 8", "output_channels: 16": "output_channels: 3", "macro_count: 8": "macro_count: 2"}
SMALLER |= {"weights_per_multiplier: 32": "weights_per_multiplier: 2", "weight_bits: 8": "weight_bits: 4"}


@pytest.mark.parametrize("dialect", DIALECTS)
@settings(max_examples=8)
@given(data=st.data())
def test_tiles_slices_and_reloads_keep_every_integer(dialect: str, data: st.DataObject) -> None:
    network: Network = data.draw(networks((dialect,)))
    inputs = {"x": network.images}
    expected = interpret(import_model(network.model(), input_types=network.input_types), inputs)["y"]
    with TemporaryDirectory() as folder:
        model, target = Path(folder) / "network.onnx", Path(folder) / "small.yaml"
        onnx.save(network.model(), model)
        text = PRESET.read_text()
        for old, new in SMALLER.items():
            text = text.replace(old, new)
        target.write_text(text)
        program = imcflow.compile(model, str(target), input_types=network.input_types)
    assert program.program.crossbar_kernels
    for fidelity in FIDELITIES:
        np.testing.assert_array_equal(program.run(inputs, fidelity=fidelity)["y"], expected, err_msg=fidelity)
