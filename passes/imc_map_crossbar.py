"""The pass `imc-map-crossbar`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.dialects.func import FuncOp
from xdsl.passes import ModulePass
from xdsl.utils.exceptions import PassFailedException

from imcflow.dialect.attributes import Unit
from imcflow.dialect.attributes_crossbar import TilesAttr
from imcflow.dialect.constants import constant_array
from imcflow.dialect.locations import describe
from imcflow.dialect.ops_crossbar import CrossbarLinearOp
from imcflow.dialect.ops_network import Conv2dOp, GemmOp
from imcflow.dialect.types import tensor_type
from imcflow.errors import ImcflowError
from imcflow.passes.imc_unroll import conv_geometry, only_step_function, replace_layer
from imcflow.passes.network.edit import erase_dead
from imcflow.passes.units import runs_on

if TYPE_CHECKING:
    from imcflow.runtime.program import MacroSummary

CELLS = ("twos-complement", "differential")


@dataclass(frozen=True)
class ImcMapCrossbar(ModulePass):
    """Cut the linear layers of the crossbar into macro tiles and place them.

    The matrix of a layer, window elements (im2col) x output channels, is cut into tiles of at most R rows and N
    columns; the last ones may be smaller. Row blocks of the same columns are added up. Weights of more
    bits than a cell word are cut into slices. Groups smaller than a macro share tiles as diagonal blocks, which
    spreads depthwise convolutions over the columns. Tiles are placed round-robin over the macros, then over the slots
    behind each multiplier; layers that need more reload slots. A step function that alone uses the result joins the op.

    Precondition: quantised level, units assigned; weights and biases of these ops are integer constants.
    Postcondition: no op bound to the unit `crossbar` is left at the quantised level.

    Before:
        %y = imc.gemm %x, %w {imc.unit = #imc<unit crossbar>} : (tensor<?x9xui4>, tensor<5x9xsi2>) -> tensor<?x5xsi8>
    After:
        %y = imc.crossbar_linear %x : tensor<?x9xui4> weights %w : tensor<5x9xsi2>
            {tiles = #imc.tiles<"rows 9 columns 5 SIGNED">, weight_bits = 2 : i64} -> tensor<?x5xsi8>

    Effect on cost: one macro activation per tile, lane and input digit; slices and differential columns multiply the
    tiles.

    Options:
        target: preset name or YAML file of the crossbar.
        cells: `twos-complement`, or `differential` for positive and negative parts in columns of their own.
    """

    name = "imc-map-crossbar"

    target: str = "dimc-256x64"
    cells: str = "twos-complement"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Replace the ops in place."""
        from imcflow.passes.crossbar_target import load_crossbar_target

        if self.cells not in CELLS:
            raise PassFailedException(f"{self.name}: cells={self.cells} is unknown; choose {' or '.join(CELLS)}")
        try:
            macro = load_crossbar_target(self.target).macro
        except ImcflowError as error:
            raise PassFailedException(f"{self.name}: {error.message}") from error
        places = 0
        for candidate in list(op.walk()):
            if isinstance(candidate, Conv2dOp | GemmOp) and runs_on(candidate, Unit.CROSSBAR):
                places += self._map(candidate, macro, places)
        for function in op.ops:
            if isinstance(function, FuncOp):
                erase_dead(function.body.block)

    def _map(self, op: Conv2dOp | GemmOp, macro: MacroSummary, first_place: int) -> int:
        """Replace one layer; return how many places its tiles took."""
        from imcflow.passes.crossbar.tiles import LayerMatrix, cut_into_tiles, weight_parts

        weights = constant_array(op.weights)
        if weights is None or (op.bias is not None and constant_array(op.bias) is None):
            raise PassFailedException(f"{self.name}: {describe(op)}: weights and bias must be constant")
        groups = op.groups.value.data if isinstance(op, Conv2dOp) else 1
        layer = LayerMatrix(weights.reshape(len(weights), -1), groups)
        bits, parts = weight_parts(weights, macro.weight_bits, differential=self.cells == "differential")
        tiles = cut_into_tiles(layer, macro, parts, first_place)
        threshold = only_step_function(op)
        last = op if threshold is None else threshold
        linear = CrossbarLinearOp(
            op.input,
            op.weights,
            tensor_type(last.result),
            tiles=TilesAttr.of(tiles),
            weight_bits=bits,
            geometry=conv_geometry(op) if isinstance(op, Conv2dOp) else {},
            groups=groups,
            bias=op.bias,
            thresholds=None if threshold is None else threshold.thresholds,
            descending=None if threshold is None else threshold.descending,
            low=0 if threshold is None else threshold.low.value.data,
        )
        replace_layer(last, linear, [op] if threshold is None else [op, threshold], {})
        if threshold is not None:
            op.detach()
            op.erase()
        return len(tiles)
