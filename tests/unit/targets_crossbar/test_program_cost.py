"""Cost of compiled crossbar programs: against the closed-form model, by hand, and its limits."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from crossbar_kernels import kernel_of, program_of
from hypothesis import given
from hypothesis import strategies as st

from imcflow.errors import TargetError
from imcflow.runtime.counters import count_program
from imcflow.runtime.program import CrossbarKernel, PortInfo, Program, TargetSummary, TensorInfo, Window
from imcflow.targets import load_target
from imcflow.targets.crossbar.array_energy import cycles_per_product, mapped_array
from imcflow.targets.crossbar.conventions import PHYSICAL, Objective
from imcflow.targets.crossbar.evaluation import Evaluation
from imcflow.targets.crossbar.layers import Dim, Operand
from imcflow.targets.crossbar.mapping import SpatialMapping
from imcflow.targets.crossbar.memory import Part
from imcflow.targets.crossbar.models import CrossbarDescription
from imcflow.targets.crossbar.program_cost import crossbar_program_cost
from imcflow.targets.crossbar.program_layers import program_layers
from imcflow.targets.crossbar.residency import default_placement
from imcflow.targets.crossbar.search import best_order
from imcflow.targets.registry import parse_target

J_PER_PJ = 1e-12


def joules(value: float) -> object:
    """Equal but for the order of additions; energies here are far below the absolute tolerance of pytest."""
    return pytest.approx(value, rel=1e-9, abs=0)


def described(name: str, **macro: object) -> CrossbarDescription:
    """A preset with other values in its macro."""
    preset = load_target(name)
    assert isinstance(preset, CrossbarDescription)
    return preset.model_copy(update={"macro": preset.macro.model_copy(update=macro)})


def convolution(
    target: CrossbarDescription, channels: int, outputs: int, taps: int, side: int, *, groups: int = 1, seed: int = 0
) -> Program:
    """A program of one convolution with 8-bit weights and activations, `taps` x `taps`, without padding."""
    rng = np.random.default_rng(seed)
    weights = rng.integers(1, 128, (outputs, channels // groups * taps * taps)) * rng.choice([-1, 1], (outputs, 1))
    weights[0, 0] = -128
    bias = np.zeros(outputs, np.int64)
    kernel = kernel_of(weights, bias, target.macro_summary(), input_bits=8, groups=groups)
    return _as_convolution(kernel, target, channels, taps, side)


def _as_convolution(
    kernel: CrossbarKernel, target: CrossbarDescription, channels: int, taps: int, side: int
) -> Program:
    reach = side + taps - 1
    window = Window(0, channels, reach, reach, (taps, taps), (1, 1), (0, 0, 0, 0), (1, 1), 0, 8, True)
    output = replace(kernel.output, height=side, width=side, bits=8)
    program = program_of(replace(kernel, window=window, output=output), target.macro_summary())
    return replace(
        program,
        target=TargetSummary(target.name, target.content_hash, 1, 1, 1, kind=target.kind, macro=target.macro_summary()),
        tensors=(
            TensorInfo("x", (channels, reach, reach), "si8"),
            TensorInfo("y", (kernel.output.channels, side, side), "si8"),
        ),
        inputs=(PortInfo("x", 0, "int8"),),
        outputs=(PortInfo("y", 1, "int8"),),
    )


def blocks(size: int, most: int) -> st.SearchStrategy[int]:
    """Sizes that `most` cuts into equal parts: up to `most`, or a small multiple of it."""
    return st.one_of(st.integers(1, most), st.integers(2, size).map(lambda count: count * most))


@st.composite
def even_layers(draw: st.DrawFn) -> tuple[int, int, int, int]:
    """Channels, outputs, taps and side of convolutions that fill all their tiles equally on 64 rows x 16 columns."""
    taps = draw(st.sampled_from([1, 1, 2]))
    channels = draw(blocks(3, 64) if taps == 1 else st.integers(1, 16))
    return channels, draw(blocks(3, 16)), taps, draw(st.integers(1, 5))


@pytest.mark.parametrize("kind", ["dimc", "aimc"])
@given(even_layers())
def test_streams_and_the_closed_form_agree(kind: str, shape: tuple[int, int, int, int]):
    channels, outputs, taps, side = shape
    target = described(f"{kind}-64x16x8-dm32", macro_count=1, weights_per_multiplier=1)
    program = convolution(target, channels, outputs, taps, side)
    cost = crossbar_program_cost(program, target)
    (counted,) = count_program(program).crossbar
    (layer,) = program_layers(program)
    machine = target.crossbar_target()
    rows = {dim: size for dim, size in {Dim.C: min(channels, 64), Dim.FX: taps, Dim.FY: taps}.items() if size > 1}
    spatial = SpatialMapping({Dim.K: min(outputs, 16)} if outputs > 1 else {}, rows)
    layer = replace(layer, partial_sum_bits=24)
    closed = Evaluation(machine, layer, default_placement(machine, layer), PHYSICAL, spatial)
    found = best_order(closed, Objective.ENERGY, math.inf)
    assert found is not None
    order = found[1]
    mapped = mapped_array(layer, spatial, PHYSICAL)
    cycles = cycles_per_product(machine.macro, layer)
    assert cost.macs == layer.macs == counted.multiplications
    assert counted.activations == mapped.activations * cycles
    assert counted.columns_read == mapped.activations * cycles * mapped.columns * 8
    assert counted.conversions == (counted.columns_read if kind == "aimc" else 0)
    assert counted.rows_driven == mapped.activations * cycles * mapped.rows
    assert cost.cycle_split.compute == counted.makespan_cycles == closed.compute_cycles
    array, memory = closed.array_energy_pj(order), closed.memory_energy_pj(order)
    energy = cost.energy
    # Adding row blocks up takes adders that the closed form leaves out.
    blocks_of_rows = -(-channels * taps * taps // 64)
    additions = (blocks_of_rows - 1) * outputs * side * side * 24 * 3.402e-15
    writes = channels * taps * taps * outputs * 0.095
    dram = memory[Operand.WEIGHT]["DRAM"]
    stays = counted.reloaded_weights == 0
    assert stays == (counted.tiles == 1)
    assert cost.start_joules == joules((writes + dram) * J_PER_PJ * stays)
    assert energy.dram == joules(dram * J_PER_PJ * (not stays))
    assert energy.cells == joules((array.multipliers + array.bit_lines + writes * (not stays)) * J_PER_PJ)
    assert energy.converters == joules((array.dac + array.adc) * J_PER_PJ)
    assert energy.adders == joules((array.adder_tree + array.place_value) * J_PER_PJ)
    assert energy.accumulators == joules(array.accumulators * J_PER_PJ + additions)
    if counted.tiles == 1:
        levels = {level.name: level.part for level in machine.hierarchy}
        split = {part: 0.0 for part in Part}
        for operand in memory.values():
            for name, picojoules in operand.items():
                split[levels[name]] += picojoules
        # The closed form writes finished results at their final width, 8 of the 24 bits of an accumulator.
        wider = 16 * outputs * side * side * 1.701e-15
        assert energy.registers == joules(split[Part.REGISTERS] * J_PER_PJ + wider)
        assert energy.sram == joules(split[Part.SRAM] * J_PER_PJ)


def test_groups_on_the_diagonal_are_seen_and_add_only_their_own():
    target = described("dimc-256x64")
    program = convolution(target, 32, 32, 3, 4, groups=32)
    cost = crossbar_program_cost(program, target)
    (layer,) = program_layers(program)
    assert (layer.G, layer.C, layer.K) == (32, 1, 1)
    assert cost.macs == layer.macs == 32 * 9 * 16
    # 28 groups of 9 rows share the first tile, 4 the second.
    assert [step.tiles for step in cost.steps] == [2]
    spatial = SpatialMapping({Dim.G: 16}, {Dim.FX: 3, Dim.FY: 3})
    closed = Evaluation(
        target.crossbar_target(), layer, default_placement(target.crossbar_target(), layer), PHYSICAL, spatial
    )
    found = best_order(closed, Objective.ENERGY, math.inf)
    assert found is not None
    tree = closed.array_energy_pj(found[1]).adder_tree + closed.array_energy_pj(found[1]).place_value
    assert cost.energy.adders == joules(tree * J_PER_PJ)


def test_wide_weights_in_slices_are_columns_of_their_own():
    target = described("dimc-256x64", weight_bits=4)
    program = convolution(target, 16, 8, 1, 2)
    (layer,) = program_layers(program)
    assert (layer.K, layer.weight_bits) == (16, 4)
    assert crossbar_program_cost(program, target).macs == 2 * 16 * 8 * 4


def test_weights_that_stay_are_written_once_and_the_others_for_every_batch():
    # 3 x 2 tiles of 64 x 16 weights: all in 8 macros at once, or one after the other in one.
    roomy, narrow = (
        described("dimc-64x16x8-dm32"),
        described("dimc-64x16x8-dm32", macro_count=1, weights_per_multiplier=1),
    )
    stays = crossbar_program_cost(convolution(roomy, 192, 32, 1, 4), roomy)
    changes = crossbar_program_cost(convolution(narrow, 192, 32, 1, 4), narrow)
    bits = 192 * 32 * 8
    assert (stays.steps[0].resident_weights, stays.steps[0].reloaded_weights) == (bits // 8, 0)
    assert (changes.steps[0].resident_weights, changes.steps[0].reloaded_weights) == (0, bits // 8)
    assert (stays.cycle_split.load, changes.cycle_split.load) == (0, bits // 64)
    assert stays.energy.dram == changes.start_joules == 0.0
    assert stays.start_joules == joules(bits * (700 / 64 + 0.095 / 8) * J_PER_PJ)
    assert stays.start_seconds == joules(bits // 64 * stays.clock_ns * 1e-9)
    assert changes.energy.dram == joules(bits * 700 / 64 * J_PER_PJ)
    # A batch loads them once for all its images.
    assert (
        crossbar_program_cost(convolution(narrow, 192, 32, 1, 4), narrow, images=5).energy.dram == changes.energy.dram
    )


def test_sums_wait_in_the_buffer_between_rounds_only():
    narrow = described("dimc-64x16x8-dm32", macro_count=1, weights_per_multiplier=1)
    target = described("dimc-64x16x8-dm32")
    split = crossbar_program_cost(convolution(narrow, 192, 16, 1, 4), narrow)
    together = crossbar_program_cost(convolution(target, 192, 16, 1, 4), target)
    read = 192 * 16 * 8 * 416.16 / 512
    written = 16 * 16 * 8 * 378.4 / 512
    waiting = 2 * 16 * 16 * 24 * (416.16 + 378.4) / 512
    assert together.energy.sram == joules((read + written) * J_PER_PJ)
    assert split.energy.sram == joules((read + written + waiting) * J_PER_PJ)


def test_activations_beyond_the_buffer_go_outside_or_are_refused():
    target = described("dimc-256x64")
    assert target.memory is not None
    small = target.model_copy(update={"memory": target.memory.model_copy(update={"buffer_size_bits": 4096})})
    program = convolution(small, 16, 8, 1, 8)
    cost = crossbar_program_cost(program, small)
    assert cost.tensors_outside == ("x",)
    assert cost.energy.dram == joules(16 * 64 * 8 * 700 / 64 * J_PER_PJ)
    only_weights = small.model_copy(
        update={"memory": small.memory.model_copy(update={"dram_holds": "weights"})}  # pyright: ignore[reportOptionalMemberAccess]
    )
    with pytest.raises(TargetError, match=r"step 'fc': 12,288 bits of live activations exceed the buffer by 8,192"):
        crossbar_program_cost(program, only_weights)


def test_another_geometry_or_kind_is_refused():
    target = described("dimc-256x64")
    program = convolution(target, 16, 8, 1, 2)
    with pytest.raises(TargetError, match=r"target 'dimc-iccad23-64': rows is 64, program 'fc' was compiled for 256"):
        crossbar_program_cost(program, load_target("dimc-iccad23-64"))
    for other in ("aimc-256x64", "rtm-ap-256"):
        with pytest.raises(TargetError, match="needs kind dimc"):
            crossbar_program_cost(program, load_target(other))
    bare = target.model_copy(update={"memory": None})
    with pytest.raises(TargetError, match="describes a macro without memory"):
        crossbar_program_cost(program, bare)


def test_idle_power_links_and_the_digital_unit_are_optional():
    plain = described("dimc-64x16x8-dm32")
    text = plain.to_yaml().replace(
        "  supply_v:",
        "  idle_power_mw: {value: 2.0, source: datasheet}\n"
        "  link_energy_fj_per_bit: {value: 10.0, source: datasheet}\n  supply_v:",
    )
    full = parse_target(text, "full")
    program = convolution(plain, 192, 16, 1, 4)
    cost, richer = crossbar_program_cost(program, plain), crossbar_program_cost(program, full)
    assert cost.energy.idle == cost.energy.links == 0.0
    assert richer.energy.idle == joules(2e-3 * richer.seconds)
    # Three row blocks on three macros: two of them bring 24-bit sums of 16 channels in 16 lanes to the first.
    assert richer.energy.links == joules(2 * 16 * 16 * 24 * 10e-15)
    silent = plain.model_copy(update={"digital_unit": None})
    assert crossbar_program_cost(program, silent).energy.digital == 0.0


def test_json_and_table_name_every_step_and_part():
    target = described("aimc-256x64")
    cost = crossbar_program_cost(convolution(target, 16, 8, 3, 4), target, images=2)
    data = cost.to_json()
    assert data["macs"] == 2 * 16 * 8 * 9 * 16
    assert data["energy_j"]["total"] == joules(sum(step["energy_j"]["total"] for step in data["steps"]))
    assert set(data["energy_j"]) >= {"cells", "converters", "adders", "accumulators", "sram", "dram", "links", "total"}
    assert data["cycles"] == sum(data["cycles_by_kind"].values())
    text = cost.table()
    assert "converters %" in text
    assert "fc on aimc-256x64, 2 images" in text
