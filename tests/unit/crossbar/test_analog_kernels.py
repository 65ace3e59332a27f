"""The compiled converters and step tables against numpy, digit by digit and threshold by threshold."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from crossbar_kernels import kernel_of, macro_with
from hypothesis import given
from hypothesis import strategies as st

from imcflow.runtime.checks.crossbar import check_crossbar_kernel
from imcflow.runtime.crossbar.analog import AnalogKernel
from imcflow.runtime.crossbar.columns import DigitWindows, digits, window_columns
from imcflow.runtime.crossbar.converters import AnalogNoise, Converters
from imcflow.runtime.crossbar.isa import TileOpcode
from imcflow.runtime.crossbar.serial import serial_sums
from imcflow.runtime.crossbar.step import CrossbarStep
from imcflow.runtime.crossbar.step_tables import StepTables
from imcflow.runtime.execution.blocks import BlockPool
from imcflow.runtime.execution.workspace import Workspace
from imcflow.runtime.program import ApOutput, CrossbarKernel, MacroSummary, Window


def convolution(rng: np.random.Generator, macro: MacroSummary, *, signed: bool, bits: int) -> CrossbarKernel:
    """A strided, padded convolution of 9 channels on macros of 4 x 2 weights; the last tile serves some lanes only."""
    weights = rng.integers(-8, 8, (9, 3 * 2 * 2))
    kernel = kernel_of(weights, rng.integers(-50, 50, 9), macro, signed_input=signed, input_bits=bits)
    window = Window(0, 3, 5, 7, (2, 2), (2, 1), (1, 0, 0, 1), (1, 1), 1, bits, signed)
    table = kernel.instructions.copy()
    products = np.flatnonzero(table["opcode"] == TileOpcode.MULTIPLY)
    scales = rng.integers(1, 4 * ((1 << macro.bits_per_cycle) - 1) * ((1 << macro.cell_bits) - 1) + 1, len(products))
    table["imm"][products] = scales
    output = ApOutput(1, 9, window.out_height, window.out_width, 32, True)
    return replace(kernel, window=window, output=output, instructions=table)


def with_split_lanes(kernel: CrossbarKernel, lane: int) -> CrossbarKernel:
    """Let every product and its accumulation run twice: for the lanes before `lane`, and for the others."""
    rows: list[np.void] = []
    table = kernel.instructions
    for row, following in zip(table, [*table[1:], table[0]], strict=True):
        if row["opcode"] == TileOpcode.MULTIPLY:
            for first, count in ((0, lane), (lane, kernel.lanes_per_image - lane)):
                part = row.copy()
                part["lane"], part["lanes"] = first, count
                rows += [part, following]
        elif row["opcode"] != TileOpcode.ACCUMULATE:
            rows.append(row)
    return replace(kernel, instructions=np.array(rows, table.dtype))


@given(
    seed=st.integers(0, 2**32 - 1),
    per_cycle=st.sampled_from([1, 2, 4, 8]),
    cell_bits=st.sampled_from([1, 2, 8]),
    levels=st.sampled_from([3, 7, 16, 255]),
    signed=st.booleans(),
    bits=st.sampled_from([4, 8]),
    read=st.sampled_from([0.0, 0.7]),
    conductance=st.sampled_from([0.0, 0.1]),
    split=st.booleans(),
)
def test_compiled_converters_equal_the_literal_ones(
    seed: int,
    per_cycle: int,
    cell_bits: int,
    levels: int,
    signed: bool,
    bits: int,
    read: float,
    conductance: float,
    split: bool,
) -> None:
    rng = np.random.default_rng(seed)
    macro = macro_with(adc_levels=levels, bits_per_cycle=per_cycle, cell_bits=cell_bits)
    kernel = convolution(rng, macro, signed=signed, bits=bits)
    if split:
        kernel = with_split_lanes(kernel, 5)
    low = -(1 << (bits - 1)) if signed else 0
    maps = rng.integers(low, low + (1 << bits), (3, 3, 5, 7)).astype(np.int8 if signed else np.uint8)
    converters = Converters(macro, AnalogNoise(read, conductance, seed), "conv")
    expected = serial_sums(kernel, macro, window_columns(kernel.window, maps, np.dtype(np.int64)), converters, 2)
    np.testing.assert_array_equal(AnalogKernel(kernel, converters).sums(maps, 2, Workspace()), expected)


@given(
    seed=st.integers(0, 2**32 - 1),
    threads=st.sampled_from([1, 2, 4]),
    cuts=st.lists(st.integers(0, 7), max_size=3),
    literal=st.booleans(),
    read=st.sampled_from([0.0, 0.7]),
    conductance=st.sampled_from([0.0, 0.1]),
)
def test_results_do_not_depend_on_how_the_batch_is_run(
    seed: int, threads: int, cuts: list[int], literal: bool, read: float, conductance: float
) -> None:
    rng = np.random.default_rng(seed)
    macro = macro_with(adc_levels=16, bits_per_cycle=4, cell_bits=4)
    kernel = convolution(rng, macro, signed=True, bits=8)
    maps = rng.integers(-128, 128, (7, 3, 5, 7)).astype(np.int8)
    noise = AnalogNoise(read, conductance, 5)

    def run(part: np.ndarray, first: int, *, threads: int, literal: bool) -> np.ndarray:
        step = CrossbarStep(kernel, macro, noise, np.dtype(np.int32), literal=literal)
        with BlockPool(threads) as pool:
            return step.run(part, first, pool)

    whole = run(maps, 0, threads=1, literal=False)
    bounds = [0, *sorted(cuts), 7]
    parts = [
        run(maps[first:last], first, threads=threads, literal=literal)
        for first, last in pairwise(bounds)
        if last > first
    ]
    np.testing.assert_array_equal(np.concatenate(parts), whole)


@pytest.mark.parametrize("per_cycle", [1, 3, 8])
@pytest.mark.parametrize("signed", [True, False])
def test_digits_of_windows_are_windows_of_digits(per_cycle: int, signed: bool) -> None:
    rng = np.random.default_rng(4)
    window = Window(0, 3, 5, 7, (2, 2), (2, 1), (1, 0, 0, 1), (1, 1), -3 if signed else 9, 8, signed)
    maps = rng.integers(-128 if signed else 0, 128 if signed else 256, (2, 3, 5, 7))
    maps = maps.astype(np.int8 if signed else np.uint8)
    whole = window_columns(window, maps, np.dtype(np.int64))
    expected = np.concatenate(digits(whole, 8, signed, per_cycle), axis=1)
    np.testing.assert_array_equal(DigitWindows(window, per_cycle, np.dtype(np.float32))(maps, Workspace()), expected)


@given(
    seed=st.integers(0, 2**32 - 1),
    spread=st.sampled_from([3, 50, 5000, 2**20, 2**45]),
    levels=st.integers(1, 255),
    descending=st.booleans(),
    sentinels=st.booleans(),
    wide=st.booleans(),
)
def test_step_tables_count_the_thresholds_reached(
    seed: int, spread: int, levels: int, descending: bool, sentinels: bool, wide: bool
) -> None:
    rng = np.random.default_rng(seed)
    macro = macro_with()
    kernel = kernel_of(rng.integers(-8, 8, (4, 6)), rng.integers(-99, 99, 4), macro)
    thresholds = np.sort(rng.integers(-spread, spread, (4, levels)), axis=1)
    if sentinels:
        thresholds[:, 0], thresholds[:, -1] = np.iinfo(np.int64).min, np.iinfo(np.int64).max
    kernel = replace(
        kernel,
        output=ApOutput(1, 4, 1, 1, 9, True),
        step_thresholds=thresholds,
        step_low=rng.integers(-256, 0, 4),
        step_descending=np.full(4, descending),
    )
    size = spread if wide else min(spread, 2**23)
    near = thresholds[:, rng.integers(0, levels, 30)].clip(-size, size) + rng.integers(-2, 3, (4, 30))
    sums = np.concatenate([near, rng.integers(-size, size, (4, 30))], axis=1) - kernel.bias[:, None]
    reached = (sums[:, :, None] + kernel.bias[:, None, None] >= thresholds[:, None, :]).sum(axis=2)
    expected = kernel.step_low[:, None] + (levels - reached if descending else reached)
    result = np.zeros((5, 4, 12), np.int16)
    dtype = np.dtype(np.float64 if wide else np.float32)
    StepTables(kernel, dtype, result.dtype).store(np.ascontiguousarray(sums, dtype), result)
    np.testing.assert_array_equal(result.transpose(1, 0, 2).reshape(4, 60), expected)


def test_bounds_hold_for_codes_beyond_the_full_scale() -> None:
    from crossbar_kernels import program_of

    macro = macro_with(adc_levels=255, bits_per_cycle=8, cell_bits=8)
    rng = np.random.default_rng(0)
    kernel = kernel_of(rng.integers(-8, 8, (5, 11)), np.zeros(5, np.int64), macro, full_scale=1)
    check_crossbar_kernel(program_of(kernel, macro), kernel, "kernel")
