"""From a placed crossbar layer to its kernel: tile operations, weights in tile order, bias, step table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from xdsl.dialects.builtin import BytesAttr, DenseIntOrFPElementsAttr, IntegerType, TensorType

from imcflow.dialect.attributes_crossbar import TileInstructionsAttr
from imcflow.dialect.base import integers
from imcflow.dialect.constants import constant_array
from imcflow.dialect.locations import describe
from imcflow.dialect.ops_crossbar import CrossbarKernelOp, CrossbarLinearOp
from imcflow.dialect.types import shape_of
from imcflow.errors import ImcflowError
from imcflow.passes.crossbar.tiles import LayerMatrix, TilePart, part_values
from imcflow.passes.emission.steps import StepTable, step_table
from imcflow.runtime.crossbar.cells import shared_cells
from imcflow.runtime.crossbar.isa import TileFlag, TileOpcode, tile_instruction_dtype
from imcflow.runtime.crossbar.serial import largest_column_sum, weight_cells

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from xdsl.ir import Attribute, SSAValue

    from imcflow.runtime.program import MacroSummary

_GEOMETRY = ("kernel", "strides", "pads", "dilations", "pad_value")
_CELLS = ("macro", "slot", "row", "column", "rows", "columns")


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

    Weights are loaded in rounds: as many tiles as have cells of their own, then their products. A column block is
    stored when its last tile is added.

    Args:
        layer: with tiles.
        macro: of the target.
    """
    matrix, bits = layer_matrix(layer), layer.weight_bits.value.data
    tiles, channels = layer.tiles.table(), shape_of(layer.result)[1]
    bias = np.zeros(channels, np.int64) if layer.bias is None else _constant(layer, layer.bias, "bias")
    pieces: list[NDArray[np.int64]] = []
    rows: list[dict[str, int]] = []
    started: set[tuple[int, int]] = set()
    loaded = 0
    stored = TileFlag.STEP if layer.thresholds is not None else TileFlag(0)
    for start, stop in load_rounds(tiles):
        scales: list[int] = []
        for tile in tiles[start:stop]:
            block = matrix.block(*(int(tile[name]) for name in ("element", "rows", "output", "columns")))
            values = part_values(block, int(tile["shift"]), int(tile["flags"]), bits)
            flags = TileFlag.WEIGHTS_SIGNED if tile["flags"] & TilePart.SIGNED else TileFlag(0)
            rows.append({"opcode": TileOpcode.LOAD, "flags": flags, **_fields(tile, *_CELLS), "imm": loaded})
            loaded += values.size
            pieces.append(values.reshape(-1))
            scales.append(_full_scale(values, layer, macro, signed=bool(tile["flags"] & TilePart.SIGNED)))
        for number, scale in enumerate(scales, start):
            tile = tiles[number]
            used = _fields(tile, *_CELLS, "element", "lane", "lanes")
            rows.append({"opcode": TileOpcode.MULTIPLY, **used, "imm": scale})
            flags = TileFlag.NEGATE if tile["flags"] & TilePart.NEGATIVE else TileFlag(0)
            if (int(tile["output"]), int(tile["lane"])) not in started:
                started.add((int(tile["output"]), int(tile["lane"])))
                flags |= TileFlag.START
            added = _fields(tile, "macro", "columns", "output", "shift")
            rows.append({"opcode": TileOpcode.ACCUMULATE, "flags": flags, **added})
            if number + 1 == len(tiles) or tiles[number + 1]["output"] != tile["output"]:
                rows.append({"opcode": TileOpcode.STORE, "flags": stored, **_fields(tile, "columns", "output")})
    table = np.zeros(len(rows), tile_instruction_dtype())
    for row, fields in zip(table, rows, strict=True):
        for name, value in fields.items():
            row[name] = value
    properties: dict[str, Attribute | None] = {
        "instructions": TileInstructionsAttr.of(table),
        "tile_weights": _narrow(np.concatenate(pieces)),
        "bias": integers(bias.tolist()),
        "weight_bits": layer.weight_bits,
        **{name: layer.properties[name] for name in _GEOMETRY},
    }
    return CrossbarKernelOp(layer.inputs[0], layer.result.type, properties=properties)


def load_rounds(tiles: NDArray[np.void]) -> list[tuple[int, int]]:
    """Return ranges of tiles, in order, none of which overwrites cells of another one of its range."""
    overwritten_by = shared_cells(tiles).overwritten_by.tolist()
    rounds: list[tuple[int, int]] = []
    start, stop = 0, len(tiles)
    for number, later in enumerate(overwritten_by):
        if number == stop:
            rounds.append((start, stop))
            start, stop = stop, len(tiles)
        if later >= 0:
            stop = min(stop, later)
    return [*rounds, (start, stop)]


def _fields(tile: np.void, *names: str) -> dict[str, int]:
    return {name: int(tile[name]) for name in names}


def _full_scale(values: NDArray[np.int64], layer: CrossbarLinearOp, macro: MacroSummary, *, signed: bool) -> int:
    """The largest sum that a column of these cells can give, in unit cells; 0 on digital macros."""
    if not macro.adc_levels:
        return 0
    cells = weight_cells(values, layer.weight_bits.value.data, macro.cell_bits, signed=signed).values
    return max(1, largest_column_sum(cells, *layer.element_bits(layer.inputs[0]), macro))


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
