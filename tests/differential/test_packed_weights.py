"""Generated networks with packed weights: the integers of the source network, whatever fits, is folded or reloaded."""

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
from imcflow.compiled import CompiledProgram
from imcflow.dialect.interpreter import interpret
from imcflow.lowering.onnx.importer import import_model
from imcflow.runtime.crossbar.isa import TileOpcode
from imcflow.runtime.crossbar.residency import kernel_residencies

PRESETS = Path(imcflow.__file__).parent / "targets" / "presets"


def small_target(kind: str, macros: int, slots: int) -> str:
    """A description of small macros; the converters of the analog one lose nothing."""
    text = (PRESETS / f"{kind}-64x16x8-dm32.yaml").read_text()
    changes = {
        "rows: 64": "rows: 16",
        "output_channels: 16": "output_channels: 6",
        "macro_count: 8": f"macro_count: {macros}",
    }
    changes |= {"weights_per_multiplier: 32": f"weights_per_multiplier: {slots}", "adc_bits: 6": "adc_bits: 9"}
    for old, new in changes.items():
        text = text.replace(old, new)
    return text


def check_residency(program: CompiledProgram) -> None:
    """What the compiler calls resident, the stream alone shows to be so."""
    kernels = program.program.crossbar_kernels
    assert kernels
    for kernel, residency in zip(kernels, kernel_residencies(kernels), strict=True):
        loads = kernel.instructions[kernel.instructions["opcode"] == TileOpcode.LOAD]
        assert len(loads) == len(residency.resident)
    reloaded = any("reloaded from" in note for note in program.notes)
    if not reloaded:
        assert all(residency.resident.all() for residency in kernel_residencies(kernels))


@pytest.mark.parametrize("kind", ["dimc", "aimc"])
@settings(max_examples=10)
@given(data=st.data())
def test_packed_programs_keep_every_integer(kind: str, data: st.DataObject) -> None:
    network: Network = data.draw(networks(tuple(DIALECTS)))
    macros, slots = data.draw(st.sampled_from([1, 2, 5])), data.draw(st.sampled_from([1, 4, 64]))
    layout = data.draw(st.sampled_from(["slice", "tile", "reload"]))
    inputs = {"x": network.images}
    expected = interpret(import_model(network.model(), input_types=network.input_types), inputs)["y"]
    with TemporaryDirectory() as folder:
        model, target = Path(folder) / "network.onnx", Path(folder) / "small.yaml"
        onnx.save(network.model(), model)
        target.write_text(small_target(kind, macros, slots))
        program = imcflow.compile(model, str(target), input_types=network.input_types, layout=layout)
    check_residency(program)
    fidelity = data.draw(st.sampled_from(["word", "micro"]))
    np.testing.assert_array_equal(program.run(inputs, fidelity=fidelity)["y"], expected)
