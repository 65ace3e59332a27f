"""The mapping search: deterministic, equal to exhaustive enumeration, never below the bounds."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imcflow.errors import TargetError
from imcflow.targets.crossbar.conventions import ICCAD23, PHYSICAL, ZIGZAG_3_9, MultiplierGating, Objective
from imcflow.targets.crossbar.cost import layer_cost, network_cost
from imcflow.targets.crossbar.evaluation import Evaluation
from imcflow.targets.crossbar.latency import Activity, union_of_windows
from imcflow.targets.crossbar.layers import Dim, Layer, Operand
from imcflow.targets.crossbar.mapping import LayerMapping, SpatialMapping, TemporalMapping
from imcflow.targets.crossbar.orders import Candidate, distinct_orders, loop_factors, prime_factors
from imcflow.targets.crossbar.peak import peak_energy_pj
from imcflow.targets.crossbar.residency import Placement, default_placement, network_placements
from imcflow.targets.crossbar.spatial import divisors, spatial_proposals
from imcflow.targets.crossbar.workloads import ds_cnn, resnet8

CONVENTIONS = {"physical": PHYSICAL, "zigzag-3.9": ZIGZAG_3_9, "iccad23": ICCAD23}

layers = st.builds(
    Layer,
    name=st.just("layer"),
    G=st.sampled_from([1, 1, 1, 6]),
    K=st.integers(1, 12),
    C=st.integers(1, 12),
    OX=st.integers(1, 7),
    OY=st.integers(1, 6),
    FX=st.integers(1, 3),
    FY=st.integers(1, 3),
)


def exhaustive_best(target, layer, conventions, objective):
    """The least objective over every order of the loops, allocated one by one."""
    placement = default_placement(target, layer)
    values = []
    for spatial in spatial_proposals(target.macro, layer, conventions):
        evaluation = Evaluation(target, layer, placement, conventions, spatial)
        space = evaluation.orders()
        space._inner = {}  # no order is left out
        for order in distinct_orders(list(space._counts), lambda _: False):
            keys = space._prefix_keys(order)
            splits = space._allocate(order, keys)
            if splits is None:
                continue
            candidate = Candidate.of({operand: space._loops(order, splits[operand]) for operand in Operand})
            energy, cycles = evaluation.energy_pj(candidate), evaluation.cycles(candidate).total
            values.append({"energy": energy, "latency": cycles, "edp": energy * cycles}[objective])
    return min(values)


@settings(max_examples=12, deadline=None)
@given(layer=layers, objective=st.sampled_from(list(Objective)), name=st.sampled_from(["dimc-256x64", "small"]))
def test_the_search_equals_exhaustive_enumeration(preset, small_buffer_machine, layer, objective, name):
    for conventions in (replace(ZIGZAG_3_9, loop_factor_limit=5), replace(PHYSICAL, loop_factor_limit=5)):
        target = small_buffer_machine("aimc") if name == "small" else preset(name)
        # A tiny array leaves more loops to order.
        target = replace(target, macro=replace(target.macro, rows=4, output_channels=2))
        cost = layer_cost(target, layer, conventions=conventions, objective=objective)
        found = {
            "energy": cost.energy_pj,
            "latency": cost.cycles.total,
            "edp": cost.energy_pj * cost.cycles.total,
        }[objective]
        assert found == pytest.approx(exhaustive_best(target, layer, conventions, objective), rel=1e-12)


@settings(max_examples=60, deadline=None)
@given(layer=layers, name=st.sampled_from(["dimc-256x64", "aimc-64x16x8-dm32"]))
def test_bounds_of_every_layer(preset, layer, name):
    target = preset(name)
    macro = target.macro
    for conventions in (PHYSICAL, ZIGZAG_3_9):
        cost = layer_cost(target, layer, conventions=conventions)
        array = macro.rows * macro.output_channels * macro.macro_count
        assert cost.cycles.compute >= macro.cycles_per_mac * math.ceil(layer.macs / array)
        assert cost.cycles.total >= cost.cycles.compute
        assert cost.cycles.stall >= 0
        assert 0 < cost.utilisation <= 1
        assert cost.split.total == pytest.approx(
            cost.array_pj.total + sum(sum(levels.values()) for levels in cost.memory_pj.values())
        )
        loaded = layer.weight_count * layer.weight_bits / 64 * 700
        assert cost.split.dram >= loaded * (1 - 1e-12)


def test_full_mapping_costs_the_peak_energy(preset):
    target = preset("dimc-256x64")
    layer = Layer("full", K=64, C=256, OX=4)
    mapping = LayerMapping(
        SpatialMapping(columns={Dim.K: 64}, rows={Dim.C: 256}),
        TemporalMapping(
            {
                Operand.INPUT: ((), ((Dim.OX, 4),)),
                Operand.OUTPUT: ((), ((Dim.OX, 4),)),
                Operand.WEIGHT: (((Dim.OX, 4),), ()),
            }
        ),
    )
    peak = peak_energy_pj(target.macro).total / (256 * 64 / target.macro.cycles_per_mac)
    for conventions in (PHYSICAL, ZIGZAG_3_9):
        cost = layer_cost(target, layer, mapping, conventions=conventions)
        assert cost.array_pj.total / layer.macs == pytest.approx(peak)
        assert cost.utilisation == 1


@pytest.mark.parametrize(
    ("spatial", "message"),
    [
        (SpatialMapping(columns={Dim.K: 65}), "65 columns mapped, but a macro has 64"),
        (SpatialMapping(rows={Dim.C: 100, Dim.FX: 3}), "300 rows mapped, but a macro has 256"),
        (SpatialMapping(macros={Dim.K: 2}), "2 macros mapped, but there are 1"),
        (SpatialMapping(columns={Dim.OX: 9}), "OX unrolled 9 times, but its size is 8"),
    ],
)
def test_mappings_that_do_not_fit_are_refused(preset, spatial, message):
    layer = Layer("conv", K=128, C=100, OX=8, FX=3)
    temporal = TemporalMapping({operand: ((),) for operand in Operand})
    with pytest.raises(TargetError, match=message):
        layer_cost(preset("dimc-256x64"), layer, LayerMapping(spatial, temporal))


def test_a_given_mapping_costs_what_the_search_reported(preset):
    target = preset("aimc-64x16x8-dm32")
    layer = resnet8()[5]
    found = layer_cost(target, layer)
    again = layer_cost(target, layer, found.mapping)
    assert again == found


def test_the_search_is_deterministic(preset):
    target = preset("dimc-64x16x8-dm32")
    assert network_cost(target, ds_cnn()).to_json() == network_cost(target, ds_cnn()).to_json()


def test_gating_orders_the_multiplier_energy(preset):
    layer = Layer("small", K=8, C=16, OX=4)
    loops = ((Dim.OX, 4),)
    mapping = LayerMapping(
        SpatialMapping(columns={Dim.K: 8}, rows={Dim.C: 16}),
        TemporalMapping({Operand.INPUT: ((), loops), Operand.OUTPUT: ((), loops), Operand.WEIGHT: (loops, ())}),
    )
    energies = [
        layer_cost(
            preset("dimc-256x64"), layer, mapping, conventions=replace(PHYSICAL, gating=gating)
        ).array_pj.multipliers
        for gating in (MultiplierGating.ALL, MultiplierGating.ROWS, MultiplierGating.NONE)
    ]
    assert energies[0] * 64 / 8 == pytest.approx(energies[1])
    assert energies[1] * 256 / 16 == pytest.approx(energies[2])


def test_words_wider_than_the_macro_are_refused(preset):
    with pytest.raises(TargetError, match="weights of 16 bits, but a channel of the macro holds 8"):
        layer_cost(preset("dimc-256x64"), Layer("wide", K=4, C=4, weight_bits=16))
    with pytest.raises(TargetError, match="activations of 9 bits, but the macro takes 8"):
        layer_cost(preset("dimc-256x64"), Layer("wide", K=4, C=4, activation_bits=9))


def test_narrow_activations_need_fewer_cycles(preset):
    wide = Layer("layer", K=64, C=4, OX=8)
    target = preset("dimc-256x64")
    assert layer_cost(target, wide).cycles.compute == 4 * 8
    assert layer_cost(target, replace(wide, activation_bits=4)).cycles.compute == 2 * 8


def test_registers_too_narrow_for_partial_sums_are_named(preset):
    with pytest.raises(TargetError, match="output registers of 8 bits cannot hold one O of 16 bits"):
        layer_cost(preset("dimc-iccad23-32"), Layer("deep", K=4, C=128, OX=4))


def test_branches_go_through_the_outermost_memory_only_under_reference_conventions(preset):
    target = preset("dimc-256x64")
    assert {p.output_level for p in network_placements(target, resnet8(), PHYSICAL)} == {"buffer"}
    reference = network_placements(target, resnet8(), ZIGZAG_3_9)
    assert [p.output_level for p in reference] == [
        "DRAM", "buffer", "DRAM", "buffer", "DRAM", "DRAM", "buffer", "DRAM", "DRAM", "buffer",
    ]  # fmt: skip
    away = network_placements(target, ds_cnn(), replace(PHYSICAL, network_io_on_chip=False))
    assert (away[0].input_level, away[1].input_level) == ("DRAM", "buffer")


def test_a_tensor_leaves_the_buffer_when_the_live_ones_do_not_fit(small_buffer_machine):
    chain = [
        Layer("a", K=16, C=1, OX=16, OY=16),
        Layer("b", K=16, C=1, OX=30, OY=30, sources=("a",)),
        Layer("c", K=16, C=16, OX=30, OY=30, partial_sum_bits=8, sources=("b",)),
        Layer("d", K=16, C=16, OX=16, OY=16, sources=("c", "a")),
    ]
    target = small_buffer_machine("dimc")
    assert [p.output_level for p in network_placements(target, chain, PHYSICAL)] == ["DRAM", *["buffer"] * 3]
    assert network_placements(target, chain, PHYSICAL)[3].input_level == "DRAM"
    assert {p.output_level for p in network_placements(target, chain[:3], PHYSICAL)} == {"buffer"}


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([], "at least one layer"),
        ([Layer("a", sources=("b",))], "layer a: source b is no earlier layer"),
        ([Layer("a"), Layer("a")], "layer name a is used twice"),
    ],
)
def test_wrong_networks_are_refused(preset, layers, message):
    with pytest.raises(TargetError, match=message):
        network_cost(preset("dimc-256x64"), layers)


def test_an_unknown_level_is_refused(preset):
    with pytest.raises(TargetError, match="no memory level attic"):
        layer_cost(preset("dimc-256x64"), Layer("a"), placement=Placement("attic", "buffer"))


def test_resident_weights_need_no_dram(preset):
    target = preset("dimc-64x16x8-dm32")
    resident = network_cost(target, resnet8())
    loaded = network_cost(target, resnet8(), conventions=replace(PHYSICAL, weights_resident=False))
    assert resident.split.dram == 0
    assert loaded.split.dram == pytest.approx(77_360 * 8 / 64 * 700)
    assert resident.energy_pj < loaded.energy_pj
    assert resident.cycles < loaded.cycles


def test_resident_layers_never_exceed_the_cells(preset):
    from imcflow.targets.crossbar.resident import weight_tiles
    from imcflow.targets.crossbar.workloads import deep_autoencoder

    cost = network_cost(preset("dimc-64x16x8-dm32"), deep_autoencoder())
    resident = [layer for layer in cost.layers if "DRAM" not in layer.memory_pj[Operand.WEIGHT]]
    others = [layer for layer in cost.layers if layer not in resident]
    assert 0 < len(resident) < len(cost.layers)
    assert sum(map(weight_tiles, resident)) + max(map(weight_tiles, others)) <= 32


def test_reports(preset):
    cost = network_cost(preset("aimc-256x64"), resnet8())
    data = cost.to_json()
    assert data["macs"] == 12_501_632
    assert data["energy_pj"]["total"] == pytest.approx(cost.energy_pj)
    assert data["energy_pj"]["total"] == pytest.approx(sum(v for k, v in data["energy_pj"].items() if k != "total"))
    assert [layer["name"] for layer in data["layers"]] == [layer.name for layer in resnet8()]
    assert cost.tops_per_watt == pytest.approx(2 * cost.macs / cost.energy_pj)
    assert cost.edp_pj_ns == pytest.approx(cost.energy_pj * cost.cycles * cost.layers[0].clock_ns)
    table = cost.table().splitlines()
    assert len(table) == 2 + 10 + 1
    assert table[-1].startswith("total")


def test_idle_power_costs_energy_over_the_whole_latency(preset):
    target = preset("dimc-256x64")
    cost = network_cost(replace(target, idle_power_mw=2.0), ds_cnn())
    without = network_cost(target, ds_cnn())
    assert cost.split.idle == pytest.approx(2.0 * cost.time_ns)
    assert cost.energy_pj == pytest.approx(without.energy_pj + cost.split.idle)
    assert "idle %" in cost.table()
    assert "idle %" not in without.table()


def test_precharge_counts_weight_changes(preset):
    """One recharge per change: (C_wl + C_bl D_m) V^2 B_w MACs / s; ICCAD'23 leaves the own segment out."""
    target = preset("dimc-64x16x8-dm32")
    layer = Layer("conv", K=16, C=64, OX=8)
    loops = ((Dim.OX, 8),)
    mapping = LayerMapping(
        SpatialMapping(columns={Dim.K: 16}, rows={Dim.C: 64}),
        TemporalMapping({Operand.INPUT: ((), loops), Operand.OUTPUT: ((), loops), Operand.WEIGHT: (loops, ())}),
    )
    unit_pj = 0.35 * 0.81 * 8 / 1000
    for conventions, segments in ((PHYSICAL, 33), (replace(PHYSICAL, precharge_other_cells=True), 32)):
        cost = layer_cost(target, layer, mapping, conventions=conventions)
        assert cost.array_pj.precharge == pytest.approx(unit_pj * segments * layer.macs / 8)
    twice = layer_cost(target, layer, mapping, conventions=ZIGZAG_3_9).array_pj.precharge
    assert twice == pytest.approx(unit_pj * 33 * (layer.macs // 8) / 8)


def test_areas_count_every_instance(preset):
    target = preset("dimc-256x64")
    once, all_of_them = target.area_mm2(count_instances=False), target.area_mm2()
    assert all_of_them["input registers"] == pytest.approx(256 * once["input registers"])
    assert all_of_them["output registers"] == pytest.approx(64 * once["output registers"])
    assert all_of_them["buffer"] == once["buffer"] == 0.6


@given(st.lists(st.tuples(st.integers(1, 4), st.integers(0, 30)), min_size=1, max_size=4), st.integers(1, 3))
def test_union_of_nested_windows(factors, repeats):
    activities = []
    period = 1
    for factor, window in factors:
        period *= factor
        activities.append(Activity(1, min(window, period), period, 0))
    total = period * repeats
    activities = [activity._replace(repeats=total // activity.period) for activity in activities]
    covered = {
        start + offset
        for activity in activities
        for start in range(0, total, int(activity.period))
        for offset in range(int(activity.allowed))
    }
    assert union_of_windows(activities) == len(covered)


def test_loops_are_split_into_few_factors():
    assert prime_factors(360) == [2, 2, 2, 3, 3, 5]
    assert loop_factors({Dim.OX: 32, Dim.OY: 32}, 6) == [
        (Dim.OX, 2), (Dim.OX, 4), (Dim.OX, 4), (Dim.OY, 2), (Dim.OY, 4), (Dim.OY, 4),
    ]  # fmt: skip
    assert len(loop_factors({dim: 6 for dim in Dim}, 3)) == 8
    assert divisors(12) == [1, 2, 3, 4, 6, 12]


@given(st.lists(st.integers(1, 2), min_size=1, max_size=4))
def test_orders_are_all_distinct_permutations(counts):
    items = [item for item, count in enumerate(counts) for _ in range(count)]
    orders = list(distinct_orders(list(counts), lambda _: False))
    assert orders == sorted(set(itertools.permutations(items)))
