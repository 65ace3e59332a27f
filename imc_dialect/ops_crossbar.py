"""Mapped- and program-level ops of the crossbar macros.

A linear layer reads its window as one matrix row per window element (im2col) and one column per output channel.
`imc-map-crossbar` cuts this matrix into tiles and gives each a slot of a macro; `imc-emit-program` turns the op into
an `imc.crossbar_kernel` with a table of tile operations.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import TYPE_CHECKING

from xdsl.dialects.builtin import DenseArrayBase, DenseIntOrFPElementsAttr, IntegerAttr, IntegerType
from xdsl.ir import Attribute, Operation, SSAValue
from xdsl.irdl import (
    AttrSizedOperandSegments,
    ParsePropInAttrDict,
    base,
    irdl_op_definition,
    operand_def,
    opt_operand_def,
    opt_prop_def,
    prop_def,
    var_operand_def,
)
from xdsl.utils.exceptions import VerifyException

from imcflow.dialect.attributes_crossbar import TileInstructionsAttr, TilesAttr
from imcflow.dialect.base import INTEGER_TENSOR, ImcOp, integer
from imcflow.dialect.ops_ap import WindowedOp
from imcflow.dialect.types import shape_of

if TYPE_CHECKING:
    from xdsl.dialects.builtin import TensorType

    from imcflow.dialect.types import ElementType


@irdl_op_definition
class CrossbarLinearOp(WindowedOp):
    """A convolution or matrix product with constant weights on crossbar macros, and the step function behind it.

    `weights` are those of `imc.conv2d` (`[M, C/groups, KH, KW]`) or `imc.gemm` (`[M, K]`), `bias` `[M]`. Every tile
    holds rows (window elements) and columns (output channels) of the layer's matrix; tiles of the same columns are
    added. A cell word has `weight_bits` bits; wider weights lie in several tiles with different `shift`. Copies of
    tiles share the lanes (output positions). With `thresholds` the result is the step function of `imc.threshold`.
    """

    name = "imc.crossbar_linear"

    inputs = var_operand_def(INTEGER_TENSOR)  # again: operands are ordered as a class declares them
    weights = operand_def(INTEGER_TENSOR)
    bias = opt_operand_def(INTEGER_TENSOR)
    thresholds = opt_operand_def(INTEGER_TENSOR)
    descending = opt_operand_def(INTEGER_TENSOR)

    tiles = prop_def(base(TilesAttr))
    weight_bits = prop_def(IntegerAttr[IntegerType])
    groups = prop_def(IntegerAttr[IntegerType], default_value=integer(1))
    low = prop_def(IntegerAttr[IntegerType], default_value=integer(0))

    irdl_options = (AttrSizedOperandSegments(as_property=True), ParsePropInAttrDict())
    assembly_format = (
        "$inputs `:` type($inputs) `weights` $weights `:` type($weights) (`bias` $bias^ `:` type($bias))? "
        "(`thresholds` $thresholds^ `:` type($thresholds))? (`descending` $descending^ `:` type($descending))? "
        "attr-dict `->` type($result)"
    )

    def __init__(
        self,
        input: SSAValue,
        weights: SSAValue,
        result_type: TensorType[ElementType],
        *,
        tiles: TilesAttr,
        weight_bits: int,
        geometry: Mapping[str, Attribute],
        groups: int = 1,
        bias: SSAValue | None = None,
        thresholds: SSAValue | None = None,
        descending: SSAValue | None = None,
        low: int = 0,
    ) -> None:
        optional = [[] if value is None else [value] for value in (bias, thresholds, descending)]
        super().__init__(
            operands=[[input], weights, *optional],
            properties={
                "tiles": tiles,
                "weight_bits": integer(weight_bits),
                "groups": integer(groups),
                "low": integer(low),
                **geometry,
            },
            result_types=[result_type],
        )

    def verify_(self) -> None:
        """One input; weights, groups and window agree; every tile lies inside the layer's matrix."""
        super().verify_()
        if len(self.inputs) != 1:
            raise VerifyException(f"takes one input, got {len(self.inputs)}")
        outputs, groups = shape_of(self.result)[1], self.groups.value.data
        if groups < 1 or self.map_shape[0] % groups or outputs % groups:
            raise VerifyException(f"{groups} groups do not divide {self.map_shape[0]} and {outputs} channels")
        size = self.elements // groups
        shape = shape_of(self.weights)
        per_output = 1
        for axis in shape[1:]:
            per_output *= axis
        if shape[0] != outputs or per_output != size:
            raise VerifyException(f"weights {list(shape)} are not {outputs} x {size}")
        if self.bias is not None:
            self.expect_shape(self.bias, (outputs,), "bias")
        if self.thresholds is not None:
            self.expect_rank(self.thresholds, 2, "thresholds")
            if shape_of(self.thresholds)[0] not in (1, outputs):
                raise VerifyException(f"thresholds have {shape_of(self.thresholds)[0]} rows for {outputs} channels")
        positions = prod(shape_of(self.result)[2:])
        for number, tile in enumerate(self.tiles.table()):
            element, rows, output, columns = (int(tile[name]) for name in ("element", "rows", "output", "columns"))
            inside = min(element, output) >= 0 and min(rows, columns) >= 1
            if not inside or element + rows > self.elements or output + columns > outputs:
                raise VerifyException(f"tile {number} lies outside the {self.elements} x {outputs} matrix")
            lane, lanes = int(tile["lane"]), int(tile["lanes"])
            if min(lane, lanes) < 0 or lane + lanes > positions or (lane and not lanes):
                raise VerifyException(f"tile {number}: lane {lane} and {lanes} lanes, an image has {positions}")


@irdl_op_definition
class CrossbarKernelOp(WindowedOp):
    """A stream of tile operations on crossbar macros: the program-level form of a layer.

    `instructions` is the table of `imcflow.runtime.crossbar.isa`, `tile_weights` the tiles one after the other, `bias`
    one number per output channel. The step table serves STORE with the flag STEP.
    """

    name = "imc.crossbar_kernel"

    instructions = prop_def(base(TileInstructionsAttr))
    tile_weights = prop_def(base(DenseIntOrFPElementsAttr))
    bias = prop_def(base(DenseArrayBase))
    weight_bits = prop_def(IntegerAttr[IntegerType])
    step_thresholds = opt_prop_def(base(DenseIntOrFPElementsAttr))
    step_low = opt_prop_def(base(DenseArrayBase))
    step_descending = opt_prop_def(base(DenseArrayBase))

    assembly_format = "$inputs " + ImcOp.FUNCTIONAL

    def __init__(self, input: SSAValue, result_type: Attribute, *, properties: Mapping[str, Attribute | None]) -> None:
        super().__init__(operands=[[input]], properties=properties, result_types=[result_type])

    def verify_(self) -> None:
        """One input; bias and step table have a row per channel."""
        super().verify_()
        if len(self.inputs) != 1:
            raise VerifyException(f"takes one input, got {len(self.inputs)}")
        channels = shape_of(self.result)[1]
        if len(self.bias) != channels:
            raise VerifyException(f"bias has {len(self.bias)} entries for {channels} channels")
        table = (self.step_thresholds, self.step_low, self.step_descending)
        if any(part is None for part in table) and any(part is not None for part in table):
            raise VerifyException("step_thresholds, step_low and step_descending come together")


CROSSBAR_OPS: list[type[Operation]] = [CrossbarLinearOp, CrossbarKernelOp]
CROSSBAR_ATTRIBUTES: list[type[Attribute]] = [TilesAttr, TileInstructionsAttr]
