"""Energy, latency and area of placements: identities that must hold, and choices that must pay."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from imcflow.passes.packing import LayerShape, MacroGeometry, PackingError, PackingStyle, pack_weights
from imcflow.passes.packing.baselines import WeightPolicy, policy_cost
from imcflow.passes.packing.checker import check_packing
from imcflow.passes.packing.economy import Machine, WeightSource, clock_ns, machine_of, packed_cost
from imcflow.passes.packing.fitted import FittedNetwork
from imcflow.passes.packing.fitting import fit_network
from imcflow.passes.packing.networks import reference_network
from imcflow.passes.packing.reloading import all_reloaded
from imcflow.passes.packing.stacked import stack_planes
from imcflow.passes.packing.sweep import pareto_front, sweep_macros
from imcflow.targets.crossbar.macro import Macro, MacroKind
from imcflow.targets.crossbar.models import DimcTarget
from imcflow.targets.crossbar.peak import macro_area_mm2, peak_energy_pj
from imcflow.targets.registry import load_target


def digital(columns: int, rows: int, macros: int) -> Machine:
    macro = Macro(MacroKind.DIGITAL, rows, columns, weight_bits=4, activation_bits=4, macro_count=macros)
    return Machine(macro, output_bits=4)


MACHINE = digital(16, 256, 4)


def test_a_full_plane_costs_the_peak_energy():
    machine = digital(16, 256, 1)
    layer = LayerShape("fc", 16, 256)
    cost = packed_cost(pack_weights([layer], machine.geometry), machine)
    assert cost.array_pj == pytest.approx(peak_energy_pj(machine.macro).total * machine.macro.cycles_per_mac)
    assert cost.activations_pj == pytest.approx((256 + 16) * 4 * 0.5)
    assert (cost.weights_pj, cost.weight_cycles, cost.compute_cycles) == (0, 0, 4)
    assert cost.area_mm2 == pytest.approx(macro_area_mm2(machine.macro).total)


def test_reloading_costs_what_the_sheet_says():
    layers = reference_network("resnet8")
    stack = stack_planes(layers, MACHINE.geometry)
    resident = packed_cost(stack, MACHINE, planes=1)
    reloaded = packed_cost(stack, MACHINE, planes=1, reloaded=range(len(layers)), source=WeightSource.DRAM)
    assert reloaded.weights_pj == pytest.approx(77_360 * 4 * (50 + 0.095 / 8))
    assert reloaded.weight_cycles == pytest.approx(77_360 * 4 / 256)
    assert replace(reloaded, weights_pj=0, weight_cycles=0) == resident
    assert resident.compute_cycles == 4 * 4225


def test_deep_cells_are_slower_and_larger():
    shallow, deep = (replace(MACHINE.macro, weights_per_multiplier=planes) for planes in (1, 32))
    assert clock_ns(deep) - clock_ns(shallow) == pytest.approx(32 * 0.00653)
    placement = pack_weights(reference_network("resnet8"), MACHINE.geometry)
    assert packed_cost(placement, MACHINE, planes=9).area_mm2 > packed_cost(placement, MACHINE).area_mm2


def test_copies_shorten_computation_and_leave_the_array_energy():
    layer = LayerShape("conv", 16, 100, 1, 8, 8)
    single, double = (packed_cost(pack_weights([layer], MACHINE.geometry, copies=[n]), MACHINE) for n in (1, 2))
    assert double.compute_cycles == single.compute_cycles / 2
    assert double.array_pj == pytest.approx(single.array_pj)


@pytest.mark.parametrize("network", ["resnet8", "mobilenet_v1"])
def test_packing_beats_reloading_and_needs_less_area_than_stacking(network: str):
    layers = reference_network(network)
    costs = {policy: policy_cost(layers, MACHINE, policy) for policy in WeightPolicy}
    packed = costs[WeightPolicy.PACKED]
    assert costs[WeightPolicy.RELOAD_DRAM].edp_uj_us > 5 * packed.edp_uj_us
    assert costs[WeightPolicy.RELOAD_SRAM].edp_uj_us > packed.edp_uj_us
    assert costs[WeightPolicy.STACKED].area_mm2 > packed.area_mm2
    assert costs[WeightPolicy.SPREAD].area_mm2 > packed.area_mm2
    assert costs[WeightPolicy.SPREAD].latency_us < packed.latency_us


def test_reloading_with_copies_reads_weights_once():
    layers = reference_network("resnet8")
    plain = policy_cost(layers, MACHINE, WeightPolicy.RELOAD_DRAM)
    copied = policy_cost(layers, MACHINE, WeightPolicy.RELOAD_DRAM, copies=True)
    assert copied.compute_cycles < plain.compute_cycles
    assert copied.weight_cycles == plain.weight_cycles
    assert plain.weights_pj < copied.weights_pj < 1.001 * plain.weights_pj


def test_planes_to_spare_become_copies_that_pay():
    layers = reference_network("resnet8")
    plain = packed_cost(pack_weights(layers, MACHINE.geometry), MACHINE, planes=7)
    fitted = fit_network(layers, MACHINE, planes=7)
    assert fitted.resident is not None
    check_packing(fitted.resident)
    assert fitted.resident.planes <= 7
    assert fitted.reloaded_layers == ()
    assert fitted.cost.edp_uj_us < 0.6 * plain.edp_uj_us
    assert fitted.steps[0].startswith("copies in idle macros: conv0 4, ")


def test_missing_planes_send_layers_to_reloading():
    layers = reference_network("resnet8")
    fitted = fit_network(layers, MACHINE, planes=4)
    names = [layers[index].name for index in fitted.reloaded_layers]
    # A reload area of a quarter plane leaves room for all but half of the largest layer's weights.
    assert names == ["b3_conv1"]
    assert fitted.steps == (
        "5 planes are needed, there are 4",
        "reloaded from dram at every inference: b3_conv1",
    )
    assert fitted.resident is not None
    check_packing(fitted.resident)
    assert fitted.resident.planes <= 4
    assert fitted.resident.layers[-1].name == "reload area"
    assert sorted(fitted.resident_layers + fitted.reloaded_layers) == list(range(len(layers)))
    assert fitted.cost.weights_pj == pytest.approx(MACHINE.load_pj(18_432, WeightSource.DRAM))
    check_reloading(fitted)


def check_reloading(fitted: FittedNetwork):
    """Resident slices share no cell with anything; reloaded ones lie in the reload area; no weight is missing."""
    reloaded = {index for index in fitted.reloaded_layers}
    taken: set[tuple[int, int, int, int]] = set()
    for turn in (False, True):
        for piece in fitted.slices:
            if (piece.layer in reloaded) == turn:
                cells = {
                    (piece.macro, piece.plane, column, row)
                    for column in range(piece.column, piece.column + piece.channels)
                    for row in range(piece.row, piece.row + piece.reductions)
                }
                assert not cells & taken
                taken |= set() if turn else cells
    for index, layer in enumerate(fitted.layers):
        held = sum(piece.channels * piece.reductions for piece in fitted.slices if piece.layer == index)
        assert held == layer.weights * fitted.copies[index]


def test_one_plane_keeps_what_pays():
    layers = reference_network("resnet8")
    fitted = fit_network(layers, MACHINE, planes=1)
    check_reloading(fitted)
    everything = all_reloaded(layers, MACHINE, replace(MACHINE.geometry, planes=1), WeightSource.DRAM)
    assert everything.resident is None
    assert everything.reloaded_layers == tuple(range(10))
    assert fitted.cost.edp_uj_us <= everything.cost.edp_uj_us


def test_groups_take_turns_where_that_costs_less_than_reloading():
    joined = LayerShape("dw", 16, 144, 4, 8, 8)  # 64 groups of 9 x 1, sixteen on each diagonal
    apart = LayerShape("dw", 1, 9, 64, 8, 8)
    pointwise = LayerShape("pw", 64, 128, 1, 8, 8)
    fitted = fit_network([[joined, apart], pointwise], replace(MACHINE, dram_pj_per_bit=500.0), planes=1)
    assert fitted.layers == (apart, pointwise)
    assert fitted.reloaded_layers == ()
    assert fitted.steps[:2] == (
        "2 planes are needed, there are 1",
        "folded, blocks of groups that take turns: dw 64 (not 4)",
    )
    free = fit_network([[joined, apart], pointwise], replace(MACHINE, dram_pj_per_bit=0.0), planes=1)
    assert free.layers[0] == joined
    assert free.reloaded_layers
    roomy = fit_network([[joined, apart], pointwise], MACHINE, planes=2)
    assert roomy.layers == (joined, pointwise)


def test_tiles_are_folded_where_that_costs_less_than_reloading():
    layers = reference_network("resnet8")
    fitted = fit_network(layers, MACHINE, planes=5, style=PackingStyle.TILE)
    assert fitted.reloaded_layers == ()
    assert fitted.resident is not None
    check_packing(fitted.resident)
    assert fitted.resident.planes == 5
    assert fitted.steps[1].startswith("folded: ")
    assert fitted.resident.total_passes > 4225


def test_sweep_keeps_the_budget_and_the_front_is_not_dominated():
    layers = reference_network("ds_cnn")
    points = list(sweep_macros(layers, MACHINE, (8, 16), (32, 64), (1, 4), most_area_mm2=0.12))
    assert points
    assert all(point.cost.area_mm2 <= 0.12 for point in points)
    assert len(points) < len(list(sweep_macros(layers, MACHINE, (8, 16), (32, 64), (1, 4), most_area_mm2=10)))
    front = pareto_front(points)
    for point in points:
        assert any(
            other.cost.area_mm2 <= point.cost.area_mm2 and other.cost.edp_uj_us <= point.cost.edp_uj_us
            for other in front
        )
    for first, second in pairwise(front):
        assert first.cost.area_mm2 < second.cost.area_mm2
        assert first.cost.edp_uj_us > second.cost.edp_uj_us


def test_a_sweep_needs_a_budget():
    with pytest.raises(PackingError, match="most_area_mm2 is 0"):
        list(sweep_macros(reference_network("ds_cnn"), MACHINE, (8,), (32,), (1,), most_area_mm2=0))


def test_stacked_copies_are_valid():
    layer = LayerShape("conv", 20, 100, 1, 8, 8)
    result = stack_planes([layer], MacroGeometry(16, 64, 6), [2])
    check_packing(result)
    assert (result.planes, result.total_passes) == (2, 8 * 4 * 2)


def test_a_preset_gives_its_memories():
    description = load_target("dimc-64x16x8-dm32")
    assert isinstance(description, DimcTarget)
    machine = machine_of(description.crossbar_target())
    assert machine.geometry == MacroGeometry(16, 64, 8)
    assert machine.activation_pj_per_bit == pytest.approx(416.16 / 512)
    assert machine.dram_pj_per_bit == pytest.approx(700 / 64)
    assert machine.dram_bits_per_cycle == 64
    assert machine.cell_write_pj_per_bit == pytest.approx(0.095 / 8)
