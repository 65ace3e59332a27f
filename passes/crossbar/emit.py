"""From a placed crossbar layer to its kernel: tile operations, weights in tile order, bias, step table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from xdsl.dialects.builtin import BytesAttr, DenseArrayBase, DenseIntOrFPElementsAttr, IntegerType, TensorType, i64

from imcflow.dialect.attributes_crossbar import TileInstructionsAttr
from imcflow.dialect.constants import constant_array
from imcflow.dialect.locations import describe
from imcflow.dialect.ops_crossbar import CrossbarKernelOp, CrossbarLinearOp
from imcflow.dialect.types import shape_of
from imcflow.errors import ImcflowError
from imcflow.passes.crossbar.tiles import LayerMatrix, TilePart, part_values
from imcflow.passes.emission.steps import StepTable, step_table
from imcflow.runtime.crossbar.isa import TileFlag, TileOpcode, tile_instruction_dtype

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from xdsl.ir import Attribute, SSAValue

    from imcflow.runtime.program import MacroSummary

_GEOMETRY = ("kernel", "strides", "pads", "dilations", "pad_value")


def layer_matrix(layer: CrossbarLinearOp) -> LayerMatrix:
    """Return the weights of a layer.

    Raises:
        ImcflowError: they are no constant.
    """
    weights = _constant(layer, layer.weights, "weights")
    return LayerMatrix(weights.reshape(len(weights), -1), layer.groups.value.data)


def crossbar_steps(layer: CrossbarLinearOp) -> StepTable | None:
    """Return the step table of a layer, if it has thresholds.

    Raises:
        ImcflowError: they are no constant.
    """
    if layer.thresholds is None:
        return None
    thresholds = _constant(layer, layer.thresholds, "thresholds")
    descending = None if layer.descending is None else _constant(layer, layer.descending, "descending")
    return step_table(thresholds, descending, layer.low.value.data, shape_of(layer.result)[1])


def crossbar_kernel(layer: CrossbarLinearOp, macro: MacroSummary) -> CrossbarKernelOp:
    """Return the kernel of a placed layer, without its step table.

    Weights are loaded in rounds: as many tiles as there are slots, then their products. A column block is stored when
    its last tile is added.

    Args:
        layer: with tiles.
        macro: of the target.
    """
    matrix, bits = layer_matrix(layer), layer.weight_bits.value.data
    tiles, channels = layer.tiles.table(), shape_of(layer.result)[1]
    bias = np.zeros(channels, np.int64) if layer.bias is None else _constant(layer, layer.bias, "bias")
    pieces: list[NDArray[np.int64]] = []
    rows: list[tuple[int, ...]] = []
    loaded = 0
    round_size = macro.macros * macro.slots
    stored = TileFlag.STEP if layer.thresholds is not None else 0
    for start in range(0, len(tiles), round_size):
        stop = min(start + round_size, len(tiles))
        scales: list[int] = []
        for tile in tiles[start:stop]:
            block = matrix.block(*(int(tile[name]) for name in ("element", "rows", "output", "columns")))
            values = part_values(block, int(tile["shift"]), int(tile["flags"]), bits)
            flags = TileFlag.WEIGHTS_SIGNED if tile["flags"] & TilePart.SIGNED else 0
            rows.append((TileOpcode.LOAD, flags, 0, 0, *_place(tile), *values.shape[::-1], 0, 0, loaded))
            loaded += values.size
            pieces.append(values.reshape(-1))
            scales.append(_full_scale(values, bits, macro))
        for number, scale in enumerate(scales, start):
            tile, columns, output = tiles[number], int(tiles[number]["columns"]), int(tiles[number]["output"])
            size = (int(tile["rows"]), columns)
            rows.append((TileOpcode.MULTIPLY, 0, 0, 0, *_place(tile), *size, int(tile["element"]), 0, scale))
            begins = number == 0 or int(tiles[number - 1]["output"]) != output
            flags = (TileFlag.START if begins else 0) | (TileFlag.NEGATE if tile["flags"] & TilePart.NEGATIVE else 0)
            rows.append(
                (TileOpcode.ACCUMULATE, flags, int(tile["shift"]), 0, int(tile["macro"]), 0, 0, columns, 0, output, 0)
            )
            if number + 1 == len(tiles) or int(tiles[number + 1]["output"]) != output:
                rows.append((TileOpcode.STORE, stored, 0, 0, 0, 0, 0, columns, 0, output, 0))
    table = np.array(rows, tile_instruction_dtype())
    properties: dict[str, Attribute | None] = {
        "instructions": TileInstructionsAttr.of(table),
        "tile_weights": _narrow(np.concatenate(pieces)),
        "bias": DenseArrayBase.from_list(i64, [int(value) for value in bias]),
        "weight_bits": layer.weight_bits,
        **{name: layer.properties[name] for name in _GEOMETRY},
    }
    return CrossbarKernelOp(layer.inputs[0], layer.result.type, properties=properties)


def _place(tile: np.void) -> tuple[int, int]:
    return int(tile["macro"]), int(tile["slot"])


def _full_scale(values: NDArray[np.int64], bits: int, macro: MacroSummary) -> int:
    """The largest sum that a bit column of these cells can give, in unit cells; 0 on digital macros."""
    if not macro.adc_levels:
        return 0
    conducting = max(int((values >> bit & 1).sum(axis=1).max()) for bit in range(bits))
    return max(1, conducting) * ((1 << macro.bits_per_cycle) - 1)


def _constant(layer: CrossbarLinearOp, value: SSAValue, what: str) -> NDArray[np.int64]:
    array = constant_array(value)
    if array is None:
        raise ImcflowError(f"{describe(layer)}: {what} must be constant")
    return array


def _narrow(values: NDArray[np.int64]) -> DenseIntOrFPElementsAttr[Any]:
    """Return integers as a dense attribute of the narrowest storage type."""
    low, high = int(values.min()), int(values.max())
    size = next(bits for bits in (8, 16, 32, 64) if -(1 << (bits - 1)) <= low and high < 1 << (bits - 1))
    data = values.astype(f"<i{size // 8}").tobytes()
    return DenseIntOrFPElementsAttr(TensorType(IntegerType(size), values.shape), BytesAttr(data))
