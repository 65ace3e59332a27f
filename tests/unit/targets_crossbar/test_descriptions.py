"""Crossbar descriptions: presets, mistakes and the measured chips."""

from __future__ import annotations

from dataclasses import replace

import pytest
import yaml

from imcflow.errors import TargetError
from imcflow.targets import list_targets, load_target
from imcflow.targets.crossbar.datapath import Activity, Block, BlockKind, Circuit
from imcflow.targets.crossbar.macro import MacroKind
from imcflow.targets.crossbar.models import CrossbarDescription
from imcflow.targets.registry import parse_target

CROSSBARS = [name for name in list_targets() if name.startswith(("aimc-", "dimc-"))]
CHIPS = {
    "aimc-cicc21": (0.89, 1.00, 0.51),
    "aimc-isscc23-7.8": (1.01, 1.02, 1.04),
    "aimc-jssc23": (7.03, 1.05, 0.98),
    "dimc-isscc22-11.7": (None, 1.06, 0.79),
    "dimc-isscc22-15.5": (1.01, 0.83, 0.94),
    "dimc-isscc23-16.3": (15.97, 0.95, 1.23),
    "dimc-isscc23-7.2": (0.98, 0.98, 1.00),
}
"""Model over silicon: energy, clock, area of the earlier validation (sheet 4.5). The second digital chip's clock is the
rerun of its script; its energy counts one accumulator there where the circuit has 32."""


def test_there_are_presets_for_chips_and_reference_arrays():
    assert len(CROSSBARS) == 24
    assert set(CHIPS) <= set(CROSSBARS)


@pytest.mark.parametrize("name", CROSSBARS)
def test_presets_load_and_round_trip(name):
    description = load_target(name)
    assert isinstance(description, CrossbarDescription)
    assert description.macro_kind() is MacroKind(name[:4])
    assert description.crossbar_target().macro.weight_capacity > 0
    again = parse_target(description.to_yaml(), "copy")
    assert again == description
    assert again.content_hash == description.content_hash


@pytest.mark.parametrize("name", CHIPS)
def test_chips_beside_the_earlier_validation(description, name):
    chip = description(name)
    measured, circuit = chip.measurement, chip.circuit()
    energy = circuit.energy_fj_per_mac(measured.input_toggle.value, measured.weight_density.value)
    ratios = (
        energy / measured.energy_fj_per_mac.value,
        circuit.clock_ns() / measured.clock_ns.value,
        circuit.area_mm2() / measured.area_mm2.value,
    )
    for ratio, earlier in zip(ratios, CHIPS[name], strict=True):
        if earlier is not None:
            assert ratio == pytest.approx(earlier, rel=0.08)
    if measured.activity_published:
        assert abs(ratios[0] - 1) < 0.15
        assert abs(ratios[1] - 1) < 0.20


def test_half_the_chips_publish_their_activity(description):
    published = {name for name in CHIPS if description(name).measurement.activity_published}
    assert published == {"aimc-cicc21", "aimc-isscc23-7.8", "dimc-isscc22-15.5", "dimc-isscc23-7.2"}


def changed(name, path, value):
    """The YAML of a preset with one key set (or removed when the value is None)."""
    data = yaml.safe_load(load_target(name).to_yaml())
    inner = data
    for key in path[:-1]:
        inner = inner[key]
    if value is None:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    return yaml.safe_dump(data)


@pytest.mark.parametrize(
    ("name", "path", "value", "message"),
    [
        ("dimc-256x64", ("macro", "rowz"), 4, "my.yaml: macro.rowz: unknown key"),
        ("dimc-256x64", ("macro", "rows"), 0, "macro.rows: .* allowed: 1 to 65536"),
        ("dimc-256x64", ("macro", "rows"), 100, "macro.rows: rows must be a power of two"),
        ("dimc-256x64", ("macro", "rows"), 2.5, "macro.rows"),
        ("dimc-256x64", ("macro", "bits_per_cycle"), 3, "bits_per_cycle 3 must divide activation_bits 8"),
        ("dimc-256x64", ("macro", "adc_bits"), 8.0, "a digital macro has no ADC"),
        ("aimc-256x64", ("macro", "adc_bits"), None, "macro.adc_bits is missing"),
        ("aimc-256x64", ("macro", "supply_v", "source"), None, "needs either source or assumption"),
        ("aimc-256x64", ("memory", "buffer_width_bits"), 32, "buffer_min_width_bits 64 exceeds buffer_width_bits 32"),
        ("aimc-256x64", ("memory", "dram_holds"), "nothing", "memory.dram_holds"),
        ("aimc-cicc21", ("measurement", "circuit"), [], "measurement.circuit"),
        ("aimc-256x64", ("kind",), "mimc", "kind: 'mimc' is unknown; allowed: aimc, ap, dimc"),
    ],
)
def test_mistakes_are_named(name, path, value, message):
    with pytest.raises(TargetError, match=message):
        parse_target(changed(name, path, value), "my.yaml")


def test_a_macro_without_memory_has_no_cost(description):
    bare = parse_target(changed("dimc-256x64", ("memory",), None), "bare")
    with pytest.raises(TargetError, match="describes a macro without memory"):
        bare.crossbar_target()
    with pytest.raises(TargetError, match="is no measured chip"):
        description("dimc-256x64").circuit()


def test_circuits_add_blocks_and_take_the_slowest_stage():
    first = Block(BlockKind.ADDER, count=2, bits=8, activity=Activity.PRODUCTS)
    second = Block(BlockKind.ACCUMULATOR, count=1, bits=16, input_bits=8, stage=1)
    circuit = Circuit((first, second), macs_per_product=2, cycles_per_product=4)
    adders, registers = 3.402, 1.701
    energy = (2 * 8 * adders * 0.25 + 16 * (adders + registers)) * 4 / 2
    assert circuit.energy_fj_per_mac(0.5, 0.5) == pytest.approx(energy)
    assert circuit.clock_ns() == pytest.approx(max(0.21032 + 7 * 0.0956, 0.22944 + 8 * 0.0956))
    assert circuit.area_mm2() == pytest.approx((16 * 4.7892 + 16 * (4.7892 + 3.684)) / 1e6)
    assert replace(circuit, technology_nm=14.0).area_mm2() == pytest.approx(circuit.area_mm2() / 2)
    assert replace(circuit, transfers_per_cycle=2).clock_ns() == pytest.approx(2 * circuit.clock_ns())


def test_optional_physics_reaches_the_model(description):
    data = yaml.safe_load(load_target("aimc-256x64").to_yaml())
    data["macro"]["idle_power_mw"] = {"value": 1.5, "source": "datasheet"}
    data["macro"]["adc_energy_fj_per_conversion"] = {"value": 188.0, "source": "datasheet"}
    data["macro"]["technology_nm"] = 14.0
    target = parse_target(yaml.safe_dump(data), "mine").crossbar_target()
    assert target.idle_power_mw == 1.5
    assert target.macro.conversion_energy_fj == 188.0
    assert target.macro.cells.gate_capacitance_ff == pytest.approx(0.35)
    assert target.hierarchy[1].write_energy_pj == pytest.approx(0.013608 / 2)
