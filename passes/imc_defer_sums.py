"""The pass `imc-defer-sums`."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass
from xdsl.utils.exceptions import PassFailedException

from imcflow.dialect.attributes import Unit
from imcflow.dialect.constants import constant_array, integer_constant
from imcflow.dialect.locations import fused_location
from imcflow.dialect.ops_elementwise import AddOp
from imcflow.dialect.ops_network import Conv2dOp, GemmOp, SumPoolOp
from imcflow.dialect.ops_shape import ReshapeOp
from imcflow.dialect.types import integer_element_of, is_float, shape_of, smallest_integer_type
from imcflow.errors import ImcflowError
from imcflow.passes.network.edit import Editor, erase_dead, network_block
from imcflow.passes.network.intervals import linear_interval
from imcflow.passes.units import activation_bits, bind, has_small_constant_weights, unit_of

if TYPE_CHECKING:
    from xdsl.ir import SSAValue

    from imcflow.runtime.program import MacroSummary


@dataclass(frozen=True)
class ImcDeferSums(ModulePass):
    """Let a layer behind a global sum work on the pixels, and add up its results instead.

    The mean before a classifier is a sum over the whole map, and a sum of 49 activations of 4 bits has 10: more than
    macros take, so the layer would run on the digital unit. But W (x_1 + ... + x_n) = W x_1 + ... + W x_n: the same
    weights, as a 1 x 1 convolution, take the narrow activations of one pixel after the other, and the digital unit adds
    up what comes out. On a fabric, the layer then gets a core of its own and streams like all others.

    Only layers change that `imc-assign-units` left to the digital unit because of the bits of their activations, and
    only if nothing else reads the sum.

    Precondition: after `imc-assign-units`, on a target with macros.
    Postcondition: the same units on all ops; every tensor that was there before and still is has the same values.

    Before:
        %s = imc.sum_pool %x {kernel = array<i64: 7, 7>} : (tensor<?x512x7x7xui4>) -> tensor<?x512x1x1xui10>
        %v = imc.reshape %s : (tensor<?x512x1x1xui10>) -> tensor<?x512xui10>
        %y = imc.gemm %v, %w {imc.unit = #imc<unit digital>} : (tensor<?x512xui10>, tensor<10x512xsi2>) -> ...
    After:
        %c = imc.conv2d %x, %k {imc.unit = #imc<unit crossbar>} : (tensor<?x512x7x7xui4>, tensor<10x512x1x1xsi2>) -> ...
        %s = imc.sum_pool %c {kernel = array<i64: 7, 7>} : (tensor<?x10x7x7xsi14>) -> tensor<?x10x1x1xsi17>
        %y = imc.reshape %s : (tensor<?x10x1x1xsi17>) -> tensor<?x10xsi17>

    Effect on cost: one operation of the macros per pixel of the map, 49 above, instead of a digital product.

    Options:
        target: preset name or YAML file.
    """

    name = "imc-defer-sums"

    target: str = "dimc-256x256-mesh"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Rewrite the network in place."""
        from imcflow.passes.crossbar_target import load_crossbar_target

        try:
            macro = load_crossbar_target(self.target).macro
            block = network_block(op)
        except ImcflowError as error:
            raise PassFailedException(f"{self.name}: {error.message}") from error
        for layer in list(block.ops):
            if isinstance(layer, GemmOp | Conv2dOp) and not is_float(layer.result):
                _defer(layer, macro)
        erase_dead(block)


def _defer(layer: GemmOp | Conv2dOp, macro: MacroSummary) -> None:
    """Rewrite one layer if nothing but the bits of a global sum keep it from the macros."""
    pool = _global_sum(layer.input)
    if pool is None or unit_of(layer) is not Unit.DIGITAL or not _reads_one_pixel(layer):
        return
    weights, bias = constant_array(layer.weights), None if layer.bias is None else constant_array(layer.bias)
    if weights is None or not has_small_constant_weights(layer):
        return
    if not activation_bits(pool.input) <= macro.activation_bits < activation_bits(layer.input):
        return
    editor = Editor(layer)
    least, greatest = linear_interval(pool.input, weights.reshape(weights.shape[:2]), None)
    kernels = integer_constant(np.ascontiguousarray(weights.reshape(*weights.shape[:2], 1, 1)))
    element = smallest_integer_type(int(least.min()), int(greatest.max()))
    pixels = Conv2dOp(pool.input, editor.value(kernels), element)
    size = shape_of(pool.input)[2:]
    # The sum is what the layer gave, so it fits that type; with a bias, its own range counts.
    result = integer_element_of(layer.result)
    ends = [size[0] * size[1] * int(end) for end in (least.min(), greatest.max())]
    total = SumPoolOp(editor.value(pixels), result if bias is None else smallest_integer_type(*ends), kernel=size)
    pixels.location, total.location = fused_location([pool, layer]), fused_location([layer, pool])
    value = editor.value(total)
    bind(pixels, Unit.CROSSBAR)
    bind(total, Unit.DIGITAL)
    shape = shape_of(layer.result)[1:]
    if shape != shape_of(value)[1:]:
        reshape = editor.add(ReshapeOp(value, shape))
        bind(reshape, Unit.DIGITAL)
        value = reshape.result
    if bias is not None:
        constant = integer_constant(bias.reshape(1, -1, *(1 for _ in shape[1:])))
        add = editor.add(AddOp(value, editor.value(constant), result))
        bind(add, Unit.DIGITAL)
        value = add.results[0]
    editor.replace(value)


def _global_sum(value: SSAValue) -> SumPoolOp | None:
    """Return the sum over a whole map that a tensor is, through reshapes, if nothing else reads any of these."""
    op = value.owner
    if not isinstance(op, SumPoolOp | ReshapeOp) or len(list(value.uses)) != 1:
        return None
    if isinstance(op, ReshapeOp):
        pool = _global_sum(op.input)
        # A vector of channels, whatever axes of size 1 stand around it.
        same = pool is not None and shape_of(value)[1] == shape_of(pool.result)[1]
        return pool if same and math.prod(shape_of(value)[2:]) == 1 else None
    whole = tuple(op.kernel.iter_values()) == tuple(shape_of(op.input)[2:]) and shape_of(op.result)[2:] == (1, 1)
    return op if whole and not any(op.pads.iter_values()) else None


def _reads_one_pixel(layer: GemmOp | Conv2dOp) -> bool:
    """Whether a layer is a product of all channels of a map of one pixel."""
    if isinstance(layer, GemmOp):
        return True
    plain = layer.groups.value.data == 1 and not any(layer.pads.iter_values())
    return plain and shape_of(layer.weights)[2:] == shape_of(layer.input)[2:] == (1, 1)
