"""Costs of small programs, worked out by hand from the quantities of the description."""

from __future__ import annotations

import dataclasses
import json

import pytest
from sum_programs import STREAM, machine, sum_program

from imcflow.errors import TargetError
from imcflow.targets.ap import ApTarget
from imcflow.targets.ap_cost import program_cost
from imcflow.targets.cost_text import with_unit

FJ = 1e-15


def test_energy_is_counts_times_rows_times_quantities() -> None:
    target = machine()
    cost = program_cost(sum_program(target), target, images=300)
    array, square = cost.steps
    assert (array.row_blocks, array.rounds, cost.arrays_needed) == (2, 1, 2)
    rows = 2 * 256
    # Four full bits: 5 searches of 3 cells, 5 writes of 1, 1, 1, 2, 1 cells; the fifth bit: S(C) W(C, R).
    assert array.energy.search == pytest.approx((4 * 15 + 1) * rows * 17 * FJ)
    # On uniform bits a full bit writes R in 4 and C in 2 of 8 rows, the last bit both in 1 of 2; 12 cells are cleared.
    written = (4 * 0.75 + 1) * 0.6 + 12
    assert array.energy.write == pytest.approx(written * rows * 23 * FJ)
    # The cleared words (R and the carry's track) go up 5; loads go up 3; the sum takes R back 5 and up 4, the carry
    # back 5, A and B back 3 and up 3; the store takes R back 4 and up 4.
    shifts = 2 * 5 + 2 * 3 + (5 + 4 + 5) + 2 * (3 + 3) + 4 + 4
    rewind = 3 + 3 + 4
    assert array.energy.shift == pytest.approx((shifts + rewind) * rows * 4.1 * FJ)
    assert array.energy.movement == pytest.approx((8 + 5) * 300 * 40 * FJ)
    assert array.energy.accumulation == 0
    assert square.energy.digital == pytest.approx(300 * 4600 * FJ)
    assert cost.energy.total == pytest.approx(array.energy.total + square.energy.total)


def test_time_is_makespan_times_rounds_plus_the_digital_unit() -> None:
    target = machine()
    cost = program_cost(sum_program(target), target, images=256 * 1024 + 1)
    kernel = cost.counters.kernels[0]
    assert cost.steps[0].row_blocks == 1025
    assert cost.steps[0].rounds == 2
    assert cost.steps[0].cycles == 2 * kernel.makespan_cycles
    assert kernel.makespan_cycles == kernel.totals.cycles + kernel.rewind_shift_cycles
    assert cost.steps[0].seconds == pytest.approx(2 * kernel.makespan_cycles * 1e-9)
    assert cost.steps[1].seconds == pytest.approx(1025 * 1e-9)
    assert cost.seconds == pytest.approx(cost.steps[0].seconds + cost.steps[1].seconds)


def test_the_or_latch_is_cheaper() -> None:
    strict, latch = machine("rtm-ap-256"), machine("rtm-ap-256-or")
    assert program_cost(sum_program(latch), latch).cycles < program_cost(sum_program(strict), strict).cycles


def test_lifetime_is_endurance_over_the_writes_of_the_carry() -> None:
    target = machine()
    cost = program_cost(sum_program(target), target)
    writes = 5 + 1
    years = 1e16 / writes * cost.seconds / (365.25 * 24 * 3600)
    assert cost.lifetime_years == pytest.approx(years)
    carry, result, inputs = cost.wear
    assert (carry.cells, carry.count, carry.most_writes) == ("carry", 1, writes)
    # The five bits of the sum are cleared and written; the sixth, and the words after the carry's, are cleared only.
    assert (result.cells, result.count, result.most_writes) == ("result", 11, 2)
    assert (inputs.cells, inputs.count, inputs.most_writes, inputs.mean_writes) == ("input", 8, 1, 1.0)
    assert inputs.lifetime_years == pytest.approx(years * writes)
    still = sum_program(target, "load r=0:0+5 in=0 element=0\nstore a=0:0+5u out=0 element=0")
    assert program_cost(still, target).counters.kernels[0].worst_cell_writes == 1


@pytest.mark.parametrize("text", [STREAM, STREAM + "move r=1/0:0+4 a=0:0+4\n"], ids=["alone", "moves"])
def test_sensitivity_equals_a_second_evaluation(text: str) -> None:
    target = machine()
    program = sum_program(target, text, arrays=2)
    cost = program_cost(program, target, images=5)
    assert {entry.key for entry in cost.sensitivity} == set(target.assumptions())
    for entry in cost.sensitivity:
        for end, seconds, joules in (
            (entry.low, entry.seconds_at_low, entry.joules_at_low),
            (entry.high, entry.seconds_at_high, entry.joules_at_high),
        ):
            again = program_cost(program, target.with_value(entry.key, end), images=5)
            assert seconds == pytest.approx(again.seconds), entry.key
            assert joules == pytest.approx(again.energy.total), entry.key


def test_overlapped_shifts_are_counted_anew() -> None:
    target = machine()
    program = sum_program(target)
    hidden = target.model_copy(update={"timing": target.timing.model_copy(update={"shifts_overlap": True})})
    cost = program_cost(program, hidden)
    assert cost.cycles < program_cost(program, target).cycles
    for entry in cost.sensitivity:
        if entry.key == "timing.write_cycles":
            assert entry.seconds_at_high == pytest.approx(
                program_cost(program, hidden.with_value(entry.key, entry.high)).seconds
            )


def test_reports_carry_nodes_and_are_json() -> None:
    target = machine()
    cost = program_cost(sum_program(target), target, images=3)
    data = json.loads(json.dumps(cost.to_json(), allow_nan=False))
    assert data["energy_j"]["total"] == pytest.approx(cost.energy.total)
    assert list(data["by_onnx_node"]) == ["Add_0", "Mul_2"]
    assert sum(node["joules"] for node in data["by_onnx_node"].values()) == pytest.approx(cost.energy.total)
    assert sum(data["cycles_by_kind"].values()) == cost.counters.totals().cycles
    assert [step["name"] for step in data["steps"]] == ["sum", "square"]
    text = cost.table()
    for part in ("sums on rtm-ap-256-cam, 3 images", "class cam", "accumulation", "timing.write_cycles"):
        assert part in text


def test_area_is_reported_where_it_is_known() -> None:
    target = machine()
    assert program_cost(sum_program(target), target).area_mm2 is None
    quantity = {"value": 1000.0, "source": "test"}
    known = ApTarget.parse(
        target.model_dump() | {"area": {"array_um2": quantity, "digital_unit_um2": quantity}}, "test"
    )
    cost = program_cost(sum_program(target), known)
    assert cost.area_mm2 == pytest.approx(1.025)
    assert "area: 1.025 mm2" in cost.table()


def test_another_geometry_or_too_few_arrays_are_refused() -> None:
    target = machine()
    program = sum_program(target)
    wider = dataclasses.replace(program, target=dataclasses.replace(program.target, tracks=512))
    with pytest.raises(TargetError, match="tracks is 256, program 'sums' was compiled for 512"):
        program_cost(wider, target)
    with pytest.raises(TargetError, match="or_latch is True"):
        program_cost(program, machine("rtm-ap-256-or"))
    small = target.model_copy(
        update={
            "hierarchy": target.hierarchy.model_copy(update={"banks": 1, "tiles_per_bank": 1, "arrays_per_tile": 1})
        }
    )
    with pytest.raises(TargetError, match="a layer needs 2 arrays, there are 1"):
        program_cost(sum_program(target, arrays=2), small)


@pytest.mark.parametrize(
    ("value", "text"), [(0.0, "0 J"), (1.5, "1.5 J"), (2.5e-3, "2.5 mJ"), (3e-15, "3 fJ"), (12345.0, "1.234e+04 J")]
)
def test_units_get_prefixes(value: float, text: str) -> None:
    assert with_unit(value, "J") == text


def test_what_moves_the_result_most_comes_first() -> None:
    target = machine()
    entries = program_cost(sum_program(target), target).sensitivity
    swings = [max(entry.seconds_swing, entry.joules_swing) for entry in entries]
    assert swings == sorted(swings, reverse=True)
    slowest = next(entry for entry in entries if entry.key == "timing.cycle_ns")
    # Everything but the multiplication in the digital unit takes 0.5 to 4.845 times as long.
    assert slowest.seconds_swing == pytest.approx((4.845 - 0.5) * (1 - 1e-9 / slowest.seconds))
    assert slowest.joules_swing == 0


def test_moves_cost_what_their_way_costs() -> None:
    target = machine()
    hierarchy = target.hierarchy.model_copy(update={"arrays_per_tile": 2, "tiles_per_bank": 2, "banks": 256})
    small = target.model_copy(update={"hierarchy": hierarchy})
    # From array 0 to 1 (same tile), 2 (another tile), 4 and 5 (another bank).
    moves = "".join(f"move r={array}/0:0+4 a=0:0+4\n" for array in (1, 2, 4, 5))
    cost = program_cost(sum_program(small, STREAM + moves, arrays=6), small, images=3)
    kernel = cost.counters.kernels[0]
    assert kernel.move_bits_by_level == (4, 4, 8)
    assert cost.energy.accumulation == pytest.approx((4 * 40 + 4 * 80 + 8 * 160) * 3 * FJ)
    # Array 0 sends one word after the other: four bits of 1, 2, 4 and 4 cycles instead of 1 each.
    near = program_cost(sum_program(target, STREAM + moves, arrays=6), target, images=3)
    assert cost.cycles - near.cycles == 4 * (0 + 1 + 3 + 3)
    flat = small.model_copy(
        update={
            "energy": small.energy.model_copy(
                update={"move_between_tiles_fj_per_bit": None, "move_between_banks_fj_per_bit": None}
            )
        }
    )
    assert flat.energy.move_fj() == (40, 40, 40)
