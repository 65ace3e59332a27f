"""The pass `imc-reduce-arithmetic`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xdsl.context import Context
from xdsl.dialects.builtin import ArrayAttr, ModuleOp
from xdsl.passes import ModulePass
from xdsl.utils.exceptions import PassFailedException

from imcflow.dialect.attributes_ap import AddSubAttr
from imcflow.dialect.locations import describe
from imcflow.dialect.ops_ap import ApLinearOp
from imcflow.dialect.types import integer_element_of, smallest_integer_type, value_range
from imcflow.errors import ImcflowError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from imcflow.dialect.add_sub_program import Bounds
    from imcflow.passes.ap_target import ApTarget

AUTO = "auto"
EFFORTS = ("default", "max")
MOST_REPAIRS = 1000


@dataclass(frozen=True)
class ImcReduceArithmetic(ModulePass):
    """Share common sums between the outputs of every unrolled layer.

    Signed pair elimination: the pair of terms that occurs most often, up to sign and shift, becomes one addition or
    subtraction; again, until no pair occurs twice. What is left of each output is summed where that costs fewer
    cycles than accumulating term by term. Equal, negated and shifted outputs end as one value. The matrix that a
    program computes does not change. Where every output has one positive and one negative weight, such as 13 and -9,
    the pairs are those of inputs of one sign, and each sum is scaled once, if that makes shorter words. Small layers of
    few inputs are searched for other intermediate values, so that outputs come from other outputs. Deterministic.

    Precondition: `imc.ap_linear` ops without placements (after `imc-unroll`).
    Postcondition: the same ops with fewer additions; intervals are dropped.

    Before:
        programs = [#imc.add_sub<"version 1 inputs 3 outputs 2", "slice 3",
            "y0 += x0", "y0 += x1", "y1 += x0", "y1 += x1", "y1 -= x2">]
    After:
        programs = [#imc.add_sub<"version 1 inputs 3 outputs 2", "slice 3", "v0 = x0 + x1", "v1 = v0 - x2",
            "y0 += v0", "y1 += v1">]

    Effect on cost: on trained ternary networks 37 % fewer additions with slices of one input channel, 42 % with four,
    57 % with whole layers; larger slices need more tracks. `effort=max` takes another 4 % of the additions away, for
    about a hundred times the time.

    Options:
        scope: input channels per slice: a number, 0 for the whole layer, or `auto`: the scope whose emitted program
            takes the fewest cycles among those that fit the array.
        target: preset name or YAML file; cycles per bit and the array's size.
        effort: `default`, or `max` to search on after the elimination: some sums are taken apart and put together
            again in another way, kept where that leaves fewer operations.
        repairs: with `effort=max`, how often that is done, per nonzero weight digit.
    """

    name = "imc-reduce-arithmetic"

    scope: int | str = AUTO
    target: str = "rtm-ap-256"
    effort: str = EFFORTS[0]
    repairs: int = 1

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Replace the programs in place."""
        from imcflow.passes.ap_target import load_ap_target

        if self.scope != AUTO and not str(self.scope).isdigit():
            raise PassFailedException(
                f"{self.name}: scope must be a number of input channels or auto, got {self.scope}"
            )
        if self.effort not in EFFORTS:
            raise PassFailedException(f"{self.name}: effort must be {' or '.join(EFFORTS)}, got {self.effort}")
        if not 0 < self.repairs <= MOST_REPAIRS:
            raise PassFailedException(f"{self.name}: repairs must be 1 to {MOST_REPAIRS}, got {self.repairs}")
        target = load_ap_target(self.target)
        layers = [layer for layer in op.walk() if isinstance(layer, ApLinearOp)]
        for layer in layers:
            if layer.placements is not None:
                raise PassFailedException(f"{self.name}: {describe(layer)} already has placements")
        # The compiled loops release the interpreter lock: layers are reduced side by side.
        with ThreadPoolExecutor(os.cpu_count()) as workers:
            parts = [
                [
                    workers.submit(self._reduce, layer, part, target, kept)
                    for together in layer.in_parts(layer.programs.data)
                    for kept in (_kept(layer, together),)
                    for part in together
                ]
                for layer in layers
            ]
            try:
                reduced = [[part.result() for part in layer] for layer in parts]
            except ImcflowError as error:
                workers.shutdown(cancel_futures=True)
                raise PassFailedException(f"{self.name}: {error.message}") from error
        for layer, programs in zip(layers, reduced, strict=True):
            layer.programs = ArrayAttr(programs)

    def _reduce(self, layer: ApLinearOp, part: AddSubAttr, target: ApTarget, kept: Bounds | None) -> AddSubAttr:
        from imcflow.dialect.add_sub_program import Bounds
        from imcflow.passes.reduction.partial_sums import among, used_elements
        from imcflow.passes.reduction.reduce import reduce_matrix
        from imcflow.passes.reduction.scope import reduce_in_best_scope

        program = part.program()
        repairs = float(self.repairs) if self.effort == "max" else 0.0
        channel = program.input_count // (len(layer.inputs) * layer.map_shape[0])
        matrix, inputs = program.expand(), layer_bounds(layer)
        # A program of one of several arrays has weights in some channels only: scopes are chosen and compared there.
        used = used_elements(matrix, channel)
        matrix, inputs = matrix[:, used], Bounds(inputs.low[used], inputs.high[used])
        if self.scope == AUTO and len(layer.inputs) == 1:
            reduced = reduce_in_best_scope(
                matrix, inputs, program.bias, channel, target, describe(layer), repairs, loaded_bits(layer)[used], kept
            )
        else:
            group = 0 if self.scope == AUTO or len(layer.inputs) > 1 else int(self.scope) * channel
            reduced = reduce_matrix(
                matrix, inputs, group=group, bias=program.bias, cycles=target.cycles, repairs_per_term=repairs
            )
        return AddSubAttr.of(among(reduced, used, program.input_count))


def _kept(layer: ApLinearOp, together: Sequence[AddSubAttr]) -> Bounds | None:
    """What the words of outputs hold in the end, where they receive partial sums of other arrays."""
    from imcflow.passes.reduction.partial_sums import reach

    if len(together) == 1:
        return None
    programs = [part.program() for part in together]
    matrices, biases = [program.expand() for program in programs], [program.bias for program in programs]
    return reach(matrices, layer_bounds(layer), biases)


def layer_bounds(layer: ApLinearOp) -> Bounds:
    """Intervals of the window elements of a layer."""
    import numpy as np

    from imcflow.dialect.add_sub_program import Bounds

    low, high = (np.array(list(part.iter_values()), dtype=np.int64) for part in (layer.channel_low, layer.channel_high))
    each = layer.elements // len(low)
    return Bounds(np.repeat(low, each), np.repeat(high, each))


def loaded_bits(layer: ApLinearOp) -> NDArray[np.int32]:
    """Bits in which each window element is loaded: its tensor's type and the pad value fit."""
    import numpy as np

    pad = layer.pad_value.value.data if any(int(size) for size in layer.pads.iter_values()) else 0
    ranges = [value_range(integer_element_of(value)) for value in layer.inputs]
    bits = [smallest_integer_type(min(low, pad), max(high, pad)).width.data for low, high in ranges]
    return np.repeat(np.array(bits, dtype=np.int32), layer.elements // len(bits))
