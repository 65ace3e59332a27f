"""Crossbar kernels of matrix products, built without the compiler's ops."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from imcflow.passes.crossbar.tiles import LayerMatrix, TilePart, cut_into_tiles, part_values, weight_parts
from imcflow.runtime.crossbar.isa import TileFlag, TileOpcode, tile_instruction_dtype
from imcflow.runtime.program import (
    ApOutput,
    CrossbarKernel,
    MacroSummary,
    PortInfo,
    Program,
    TargetSummary,
    TensorInfo,
    vector_window,
)

MACRO = MacroSummary(rows=4, columns=2, macros=2, slots=8, weight_bits=8, activation_bits=8, bits_per_cycle=2)


def macro_with(*, adc_levels: int = 0, bits_per_cycle: int = 2, cell_bits: int = 1) -> MacroSummary:
    """The small macro with other converters."""
    return replace(MACRO, adc_levels=adc_levels, bits_per_cycle=bits_per_cycle, cell_bits=cell_bits)


def kernel_of(
    weights: np.ndarray,
    bias: np.ndarray,
    macro: MacroSummary,
    *,
    signed_input: bool = True,
    input_bits: int = 4,
    weight_bits: int | None = None,
    full_scale: int | None = None,
    groups: int = 1,
) -> CrossbarKernel:
    """A kernel that multiplies vectors by `weights` [outputs, elements of a group] and stores 32-bit sums."""
    bits, parts = weight_parts(weights, macro.weight_bits, differential=False)
    bits = bits if weight_bits is None else weight_bits
    tiles = cut_into_tiles(LayerMatrix(weights, groups), macro, parts, 0)
    matrix = LayerMatrix(weights, groups)
    rows: list[tuple[int, ...]] = []
    pieces: list[np.ndarray] = []
    for number, tile in enumerate(tiles):
        element, height, output, columns = (int(tile[name]) for name in ("element", "rows", "output", "columns"))
        place = (int(tile["macro"]), int(tile["slot"]))
        values = part_values(
            matrix.block(element, height, output, columns), int(tile["shift"]), int(tile["flags"]), bits
        )
        signed = TileFlag.WEIGHTS_SIGNED if tile["flags"] & TilePart.SIGNED else 0
        first = sum(piece.size for piece in pieces)
        scale = 0
        if macro.adc_levels:
            scale = height * ((1 << macro.bits_per_cycle) - 1) if full_scale is None else full_scale
        begins = number == 0 or int(tiles[number - 1]["output"]) != output
        ends = number + 1 == len(tiles) or int(tiles[number + 1]["output"]) != output
        corner = (0, 0)
        rows.append((TileOpcode.LOAD, signed, 0, 0, *place, *corner, height, columns, 0, 0, 0, 0, first))
        rows.append((TileOpcode.MULTIPLY, 0, 0, 0, *place, *corner, height, columns, element, 0, 0, 0, scale))
        start, shift = TileFlag.START if begins else 0, int(tile["shift"])
        rows.append((TileOpcode.ACCUMULATE, start, shift, 0, place[0], 0, 0, 0, 0, columns, 0, output, 0, 0, 0))
        if ends:
            rows.append((TileOpcode.STORE, 0, 0, 0, 0, 0, 0, 0, 0, columns, 0, output, 0, 0, 0))
        pieces.append(values.reshape(-1))
    return CrossbarKernel(
        name="fc",
        onnx_nodes=("fc",),
        window=vector_window(0, weights.shape[1] * groups, input_bits, signed_input),
        output=ApOutput(1, len(weights), 1, 1, 32, True),
        weight_bits=bits,
        instructions=np.array(rows, tile_instruction_dtype()),
        weights=np.concatenate(pieces).astype(np.int16),
        bias=bias.astype(np.int64),
        step_thresholds=np.zeros((0, 0), np.int64),
        step_low=np.zeros(0, np.int64),
        step_descending=np.zeros(0, np.bool_),
    )


def program_of(kernel: CrossbarKernel, macro: MacroSummary) -> Program:
    """A program of one kernel."""
    element = f"{'si' if kernel.window.signed else 'ui'}{kernel.window.bits}"
    return Program(
        name="fc",
        target=TargetSummary("small", "0" * 64, 1, 1, 1, kind="aimc" if macro.adc_levels else "dimc", macro=macro),
        tensors=(
            TensorInfo("x", (kernel.window.channels,), element),
            TensorInfo("y", (kernel.output.channels,), "si32"),
        ),
        inputs=(PortInfo("x", 0, "int8"),),
        outputs=(PortInfo("y", 1, "int32"),),
        steps=(kernel,),
    )
