"""Generated networks through the cores of a fabric: integers of the source network, ticks as predicted."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from network_strategies import DIALECTS, networks
from networks import Network

import imcflow
from imcflow.api import CompileOptions, pipeline_text
from imcflow.dialect.interpreter import interpret
from imcflow.errors import ModelError
from imcflow.lowering.onnx.importer import import_model
from imcflow.runtime.pipeline.machine import machine_of, run_ticks

TARGET = "dimc-256x256-mesh"
OPTIONS = ("", "buffers=lines", "handshake=row", "handshake=image", "fast-axis=columns", "buffers=full input-rate=2")


@pytest.mark.parametrize("dialect", DIALECTS)
@settings(max_examples=4)
@given(data=st.data())
def test_streamed_pixels_give_the_integers_of_the_network(dialect: str, data: st.DataObject) -> None:
    network: Network = data.draw(networks((dialect,)))
    interval = data.draw(st.sampled_from([1, 3, 1000]))
    chosen = data.draw(st.sampled_from(OPTIONS))
    inputs = {"x": network.images}
    expected = interpret(import_model(network.model(), input_types=network.input_types), inputs)["y"]
    text = pipeline_text(CompileOptions(target=TARGET))
    for name, options in (("imc-replicate-layers", f"interval={interval}"), ("imc-pipeline-layers", chosen)):
        text = text.replace(f"{name}{{target={TARGET}}}", f"{name}{{target={TARGET} {options}}}")
    with TemporaryDirectory() as folder:
        model = Path(folder) / "network.onnx"
        onnx.save(network.model(), model)
        try:
            program = imcflow.compile(model, TARGET, input_types=network.input_types, pipeline=text)
        except ModelError as error:
            assume("cannot stream pixel by pixel" not in error.message and "no layer is mapped" not in error.message)
            raise
    np.testing.assert_array_equal(program.run_pipelined(inputs).outputs["y"], expected)
    dataflow = program.program.dataflow
    assert dataflow is not None
    trace = run_ticks(machine_of(program.program, dataflow), dataflow.prediction.images)
    found = (trace.latency_ticks, trace.total_ticks)
    assert found == (dataflow.prediction.latency_ticks, dataflow.prediction.total_ticks)
