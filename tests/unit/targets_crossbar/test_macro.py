"""Macro equations against the released points, the reference macros and the limits that must hold."""

from __future__ import annotations

import itertools
import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imcflow.errors import TargetError
from imcflow.targets.crossbar.cells import CELLS_28NM, cells_at_node, cells_scaled_linearly
from imcflow.targets.crossbar.converters import adc_area_um2, adc_energy_fj, dac_energy_fj
from imcflow.targets.crossbar.macro import Macro, MacroKind, partial_tree_adders, place_value_adders, tree_adders
from imcflow.targets.crossbar.peak import ClockModel, clock_period_ns, macro_area_mm2, peak_energy_pj, peak_figures
from imcflow.targets.crossbar.survey import (
    INVERTER_CAPACITANCE_FF,
    SurveyDesign,
    gate_capacitance_ff,
    inverter_capacitance_ff,
)

REFERENCE = json.loads((Path(__file__).parents[3] / "benchmarks" / "cost_model_reference.json").read_text())

ZIGZAG_CLOCK_NS = {
    "aimc": {32: 6.08604, 64: 7.55532, 128: 10.38284, 256: 16.13580, 512: 28.15756, 1024: 53.55276},
    "dimc": {32: 3.10700, 64: 3.43204, 128: 3.75708, 256: 4.08212, 512: 4.40716, 1024: 4.73220},
}
"""Sheet 4.1: the released macros with the ZigZag 3.9 clock."""


def square_macro(kind: str, side: int) -> Macro:
    """A macro of the ICCAD 2023 study: `side` rows x `side` physical columns, 8-bit weights."""
    if kind == "dimc":
        return Macro(MacroKind.DIGITAL, side, side // 8)
    return Macro(MacroKind.ANALOG, side, side // 8, bits_per_cycle=2, adc_bits=2 + 0.5 * math.log2(side))


def reference_macro(kind: str, *, banks: bool) -> Macro:
    """A macro of the measured ZigZag runs (sheet 4.2): one array, or eight banks with D_m = 32."""
    analog = kind == "aimc"
    shape = (64, 16) if banks else (256, 64)
    return Macro(
        MacroKind(kind),
        *shape,
        bits_per_cycle=2,
        adc_bits=(6 if banks else 8) if analog else None,
        macro_count=8 if banks else 1,
        weights_per_multiplier=32 if banks else 1,
        cell_area_um2_per_bit=0.3,
    )


@pytest.mark.parametrize("point", REFERENCE["macros"], ids=lambda p: f"{p['kind']}-{p['side']}")
def test_released_macro_points(point):
    macro = square_macro(point["kind"], point["side"])
    figures = peak_figures(macro, ClockModel.ICCAD23)
    assert figures.clock_ns == pytest.approx(point["clock_ns"], rel=5e-6)
    assert figures.tops == pytest.approx(point["tops"], rel=5e-6)
    assert figures.tops_per_watt == pytest.approx(point["tops_per_watt"], rel=5e-6)
    assert figures.area_mm2 == pytest.approx(point["area_mm2"], rel=1e-3)
    zigzag = clock_period_ns(macro, ClockModel.ZIGZAG_3_9).total
    assert zigzag == pytest.approx(ZIGZAG_CLOCK_NS[point["kind"]][point["side"]], abs=5e-6)


@pytest.mark.parametrize(
    ("kind", "banks", "clock_ns", "tops", "tops_per_watt", "area_mm2"),
    [
        ("dimc", False, 4.19684, 1.951945, 7.572947, 1.620475),
        ("aimc", False, 20.75916, 0.394621, 17.123944, 1.223467),
        ("dimc", True, 3.54676, 1.154857, 7.493015, 1.430485),
        ("aimc", True, 8.61324, 0.475547, 6.595169, 1.363781),
    ],
)
def test_reference_macros(kind, banks, clock_ns, tops, tops_per_watt, area_mm2):
    figures = peak_figures(reference_macro(kind, banks=banks))
    assert figures.clock_ns == pytest.approx(clock_ns, rel=1e-6)
    assert figures.tops == pytest.approx(tops, rel=1e-6)
    assert figures.tops_per_watt == pytest.approx(tops_per_watt, rel=1e-6)
    assert figures.area_mm2 == pytest.approx(area_mm2, rel=1e-6)


def test_area_breakdown_of_the_reference_macro():
    area = macro_area_mm2(reference_macro("dimc", banks=False))
    assert area.cells == pytest.approx(0.0393216)
    assert area.multipliers == pytest.approx(0.160956416)
    assert area.adder_tree == pytest.approx(1.4019712512)
    assert area.place_value == pytest.approx(0.0052106496)
    assert area.accumulators == pytest.approx(0.0130148352)


def test_unit_cells():
    assert CELLS_28NM.full_adder_area_um2 == pytest.approx(4.7892)
    assert CELLS_28NM.flip_flop_area_um2 == pytest.approx(3.684)
    assert CELLS_28NM.full_adder_energy_fj(0.9) == pytest.approx(3.402)
    assert CELLS_28NM.half_adder_energy_fj(0.9) == pytest.approx(1.701)
    assert CELLS_28NM.multiplier_energy_fj(0.9) == pytest.approx(0.2835)
    assert CELLS_28NM.sum_delay_ns == pytest.approx(0.22944)
    assert CELLS_28NM.carry_start_delay_ns == pytest.approx(0.21032)
    assert CELLS_28NM.carry_delay_ns == pytest.approx(0.0956)
    assert cells_at_node(28).gate_capacitance_ff == pytest.approx(0.7)
    with pytest.raises(ValueError, match="technology_nm is 0"):
        cells_at_node(0)


@pytest.mark.parametrize(("bits", "energy_fj"), [(3, 243), (5, 406), (6, 489), (7, 580), (8, 701), (10, 1659)])
def test_adc_energy(bits, energy_fj):
    assert adc_energy_fj(bits, 0.9) == pytest.approx(energy_fj, abs=0.6)


def test_converters_at_one_bit():
    assert adc_area_um2(1) == 0
    assert dac_energy_fj(1, 0.9) == 0
    assert dac_energy_fj(2, 0.9) == pytest.approx(81)


@pytest.mark.parametrize("rows", [2, 4, 32, 256, 1024])
@pytest.mark.parametrize("bits", [1, 2, 8])
def test_partial_tree_limits(rows, bits):
    depth = int(math.log2(rows))
    assert partial_tree_adders(rows, rows, bits) == (tree_adders(rows, bits), 0)
    assert partial_tree_adders(1, rows, bits) == (0, depth * bits + depth * (depth - 1) / 2)
    energies = [full * 2 + half for full, half in (partial_tree_adders(m, rows, bits) for m in range(1, rows + 1))]
    assert all(low < high for low, high in itertools.pairwise(energies))
    assert partial_tree_adders(0, rows, bits) == (0, 0)


def test_place_value_tree():
    assert place_value_adders(1, 9) == 0
    assert place_value_adders(2, 16) == 16 + 2 * 0.5
    assert place_value_adders(8, 4.5) == pytest.approx(4.5 * 7 + 8 * 2.5)


@given(st.sampled_from(["aimc", "dimc"]), st.sampled_from([32, 128, 1024]), st.floats(0.5, 1.0))
def test_energy_scales_with_the_square_of_the_supply(kind, side, supply_v):
    macro = square_macro(kind, side)
    scaled = peak_energy_pj(replace(macro, supply_v=supply_v)).total
    assert scaled == pytest.approx(peak_energy_pj(macro).total * (supply_v / 0.9) ** 2)


@pytest.mark.parametrize("bits_per_cycle", [1, 2, 4])
def test_digital_efficiency_rises_towards_its_limit(bits_per_cycle):
    limit = 2 / (8 * (8 * 0.2835 + 9 * 3.402) / 1000)
    assert limit == pytest.approx(7.602, abs=1e-3)
    figures = [
        peak_figures(Macro(MacroKind.DIGITAL, 2**d, 16, bits_per_cycle=bits_per_cycle)).tops_per_watt
        for d in range(4, 15)
    ]
    assert all(low < high < limit for low, high in itertools.pairwise(figures))
    assert figures[-1] == pytest.approx(limit, rel=1e-3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rows": 100}, "macro.rows is 100, but must be a power of two"),
        ({"weight_bits": 6}, "macro.weight_bits is 6"),
        ({"bits_per_cycle": 3, "activation_bits": 9}, "macro.bits_per_cycle is 3"),
        ({"bits_per_cycle": 4, "activation_bits": 6}, "must divide activation_bits 6"),
        ({"output_channels": 0}, "macro.output_channels is 0, but must be at least 1"),
        ({"adc_bits": 4.0}, "a digital macro has no ADC"),
        ({"supply_v": 0.0}, "macro.supply_v is 0.0"),
    ],
)
def test_wrong_macros_are_refused(changes, message):
    with pytest.raises(TargetError, match=message):
        replace(Macro(MacroKind.DIGITAL, 64, 8), **changes)


def test_an_analog_macro_needs_converters_and_takes_any_dac():
    with pytest.raises(TargetError, match="adc_bits is None"):
        Macro(MacroKind.ANALOG, 64, 8)
    assert Macro(MacroKind.ANALOG, 1024, 512, 2, 7, 7, 6.0).cycles_per_mac == 1
    with pytest.raises(TargetError, match="no converters"):
        _ = Macro(MacroKind.DIGITAL, 64, 8).converter_bits


def test_deep_cells_lengthen_only_the_weight_packing_clock():
    deep = reference_macro("dimc", banks=True)
    packed = clock_period_ns(deep, ClockModel.WEIGHT_PACKING)
    assert packed.total == pytest.approx(3.54676 + 0.00653 * 32)
    flat = replace(deep, weights_per_multiplier=1)
    assert clock_period_ns(flat, ClockModel.WEIGHT_PACKING) == clock_period_ns(flat)


def test_a_given_converter_replaces_the_survey():
    macro = square_macro("aimc", 256)
    given_converter = replace(macro, adc_energy_fj_per_conversion=188.0)
    assert peak_energy_pj(given_converter).adc == pytest.approx(0.188 * 8 * 32)
    assert peak_energy_pj(given_converter).dac == peak_energy_pj(macro).dac


def test_linear_scaling_halves_area_and_energy_but_no_delay():
    macro = square_macro("dimc", 64)
    scaled = replace(macro, cells=cells_scaled_linearly(14), cell_area_um2_per_bit=0.0)
    assert peak_energy_pj(scaled).total == pytest.approx(peak_energy_pj(macro).total / 2)
    assert macro_area_mm2(scaled).adder_tree == pytest.approx(macro_area_mm2(macro).adder_tree / 2)
    assert clock_period_ns(scaled) == clock_period_ns(macro)
    with pytest.raises(ValueError, match="technology_nm is -1"):
        cells_scaled_linearly(-1)


@pytest.mark.parametrize(("node", "gate_ff"), [(5, 0.296), (22, 0.636), (28, 0.756)])
def test_survey_gate_capacitance(node, gate_ff):
    assert gate_capacitance_ff(node) == pytest.approx(gate_ff)
    assert inverter_capacitance_ff(node) == pytest.approx(INVERTER_CAPACITANCE_FF[node], abs=0.1)


def test_survey_energy_counts_the_adders_of_a_tree():
    design = SurveyDesign(tree_inputs=256, weight_bits=8, activation_bits=8)
    adders = tree_adders(256, 8) / 256
    energy = design.energy_fj_per_mac(0.7, 0.3, 0.9)
    assert energy == pytest.approx(8 * 0.81 * 0.7 * (5 * adders + 8))
    booth = replace(design, weight_bits=7, booth=True).energy_fj_per_mac(0.7, 0.3, 0.9)
    assert booth == pytest.approx(energy / 2)
    shared = replace(design, rows_per_multiplier=4).energy_fj_per_mac(0.7, 0.3, 0.9)
    assert shared - energy == pytest.approx(0.3 * 0.81 * 8 * 5)
    with pytest.raises(TargetError, match="tree_inputs is 0"):
        SurveyDesign(0, 8, 8)
