"""Networks under reference conventions: equal to what the reference tools measured and released.

Energies and cycles of the measured runs: zigzag-dse 3.9.1, opt=EDP, lpf_limit=6 (sheet 5.2); of the two example
machines: opt=latency. Released results: ICCAD 2023 artifact (sheet 5.1).
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from imcflow.targets.crossbar.conventions import ICCAD23, ZIGZAG_3_9, Objective, SpatialSearch
from imcflow.targets.crossbar.cost import network_cost
from imcflow.targets.crossbar.layers import Operand
from imcflow.targets.crossbar.workloads import MLPERF_TINY, resnet8

REFERENCE = json.loads((Path(__file__).parents[3] / "benchmarks" / "cost_model_reference.json").read_text())


@pytest.mark.parametrize("point", REFERENCE["measured"], ids=lambda p: f"{p['network']}-{p['target']}")
def test_measured_runs(preset, point):
    cost = network_cost(preset(point["target"]), MLPERF_TINY[point["network"]](), conventions=ZIGZAG_3_9)
    assert cost.energy_pj / 1e6 == pytest.approx(point["energy_uj"], rel=1e-6)
    assert cost.cycles == point["cycles"]
    assert cost.layers[0].clock_ns == pytest.approx(point["clock_ns"], abs=1e-6)


def test_layers_of_a_measured_run(preset):
    """ResNet-8 on 256 x 64 channels: total energy and cycles of every layer."""
    cost = network_cost(preset("dimc-256x64"), resnet8(), conventions=ZIGZAG_3_9)
    expected = [
        ("conv0", 2710934.668, (4096, 0, 2, 2)),
        ("b1_conv1", 3687237.990, (4096, 0, 4, 1)),
        ("b1_conv2", 3799304.550, (4096, 0, 3, 2)),
        ("b2_conv1", 2595271.3, (1024, 0, 1027, 1)),
        ("b2_skip", 1441430.7, (1024, 0, 512, 2)),
        ("b2_conv2", 3261483.4, (2048, 572, 576, 2)),
        ("b3_conv1", 3038100.3, (512, 1148, 1152, 2)),
        ("b3_skip", 873932.5, (256, 0, 257, 258)),
        ("b3_conv2", 4826884.5, (768, 3064, 1536, 514)),
        ("fc", 62917.8, (4, 0, 76, 1)),
    ]
    for layer, (name, energy_pj, phases) in zip(cost.layers, expected, strict=True):
        cycles = layer.cycles
        assert layer.name == name
        assert layer.energy_pj == pytest.approx(energy_pj, rel=1e-6)
        assert (cycles.compute, cycles.stall, cycles.loading, cycles.unloading) == phases


def test_parts_of_a_measured_layer(preset):
    """The first convolution of ResNet-8 (sheet 4.3), and its memory accesses."""
    layer = network_cost(preset("dimc-256x64"), resnet8(), conventions=ZIGZAG_3_9).layers[0]
    assert layer.array_pj.multipliers == pytest.approx(304405.807104)
    assert layer.array_pj.adder_tree == pytest.approx(116381.712384)
    assert layer.array_pj.place_value == pytest.approx(3790.209024)
    assert layer.array_pj.accumulators == pytest.approx(8026.324992)
    assert list(layer.memory_pj[Operand.INPUT].values()) == pytest.approx([376.233984, 231237.12, 268800.0])
    assert list(layer.memory_pj[Operand.WEIGHT].values()) == pytest.approx([41.04, 37800.0])
    assert list(layer.memory_pj[Operand.OUTPUT].values()) == pytest.approx([668.860416, 203407.36, 1536000.0])


@pytest.mark.parametrize(
    ("kind", "energy_pj", "cycles"), [("aimc", 32863951.426551037, 42938.875), ("dimc", 54898866.97009599, 69639.0)]
)
def test_a_buffer_that_is_too_small(small_buffer_machine, kind, energy_pj, cycles):
    cost = network_cost(small_buffer_machine(kind), resnet8(), conventions=ZIGZAG_3_9, objective=Objective.LATENCY)
    assert cost.energy_pj == pytest.approx(energy_pj, rel=1e-9)
    assert cost.cycles == cycles


def released_cost(preset, point, spatial=SpatialSearch.FULLEST):
    layers = [replace(layer, partial_sum_bits=8) for layer in MLPERF_TINY[point["network"]]()]
    if point["network"] == "ds_cnn":
        layers = [layer.transposed() for layer in layers]
    target = preset(f"{point['kind']}-iccad23-{point['side']}")
    return network_cost(target, layers, conventions=replace(ICCAD23, spatial=spatial), objective=Objective.ENERGY)


def is_outlier(point) -> bool:
    """Two stored runs that compared every unrolling instead of the fullest ones."""
    return point["network"] == "ds_cnn" and point["side"] == 1024


@pytest.mark.parametrize("point", REFERENCE["released"], ids=lambda p: f"{p['network']}-{p['kind']}-{p['side']}")
def test_released_results(preset, point):
    cost = released_cost(preset, point, SpatialSearch.EVERY if is_outlier(point) else SpatialSearch.FULLEST)
    # Released digital adder trees are a few adders off their own formula.
    tolerance = 1e-5 if point["kind"] == "aimc" else 5e-3
    assert cost.energy_pj / 1e6 == pytest.approx(point["energy_uj"], rel=tolerance)
    assert cost.cycles == pytest.approx(point["cycles"], rel=1e-6)


def test_depthwise_layers_decide_between_analog_and_digital(preset):
    """Sheet 5.1: AIMC needs less energy on ResNet-8 from 128 x 128 up, DIMC on the depthwise networks throughout."""

    def winner(network, side):
        points = [p for p in REFERENCE["released"] if p["network"] == network and p["side"] == side]
        return min(points, key=lambda point: released_cost(preset, point).energy_pj)["kind"]

    assert [winner("resnet8", side) for side in (64, 128, 512)] == ["dimc", "aimc", "aimc"]
    assert [winner("mobilenet_v1", side) for side in (64, 512)] == ["dimc", "dimc"]
