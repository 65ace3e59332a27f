"""`imc-quantize-activations`: make the activations between linear layers integers, with scales from sample inputs.

Purpose: arrays add integers; a float model's activations need integer types, which only data can give.

Before: network level, weights quantised (by training or `imc-ternarize`).
After: network level. Each real tensor that a linear layer with integer weights reads passes through `imc.quantize` and
`imc.dequantize`; so do, on the way to such layers, the inputs of means and the summands of additions. Tensors that are
added or concatenated share one scale. Tensors that cannot be negative become `ui<bits>`; others `si<bits>`, or, where
nothing shares their scale, `ui<bits>` with a zero point. Summands get `sum-bits`.

```
%r = imc.relu %c : (tensor<?x8x4x4xf32>) -> tensor<?x8x4x4xf32>
%y = imc.conv2d %r, %w : ...
  =>
%r = imc.relu %c : (tensor<?x8x4x4xf32>) -> tensor<?x8x4x4xf32>
%q = imc.quantize %r, %s, %z {low = 0 : i64, high = 15 : i64} : ... -> tensor<?x8x4x4xui4>
%d = imc.dequantize %q, %s, %z : ...
%y = imc.conv2d %d, %w : ...
```

Ranges: the network runs on the calibration data in the reference interpreter. `minmax` covers all values seen,
`percentile` the given percentage, `mse` takes the range with the least squared error among 64.
Meaning: changes. The module's attributes `imc.activation_report` and `imc.notes` tell tensor by tensor the type, the
scale, what was clipped and the signal-to-noise ratio on the calibration data.
Cost: bits of the activations are bits of every addition.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.dialects.func import FuncOp
from xdsl.ir import BlockArgument, Operation, OpResult, SSAValue
from xdsl.passes import ModulePass

from imcflow.arrays import read_arrays
from imcflow.dialect.constants import float_constant, integer_constant
from imcflow.dialect.interpreter import trace
from imcflow.dialect.interpreter.interpret import main_function, port_names
from imcflow.dialect.locations import node_names
from imcflow.dialect.ops_quantise import DequantizeOp, QuantizeOp
from imcflow.dialect.types import smallest_integer_type
from imcflow.errors import ImcflowError, InputError
from imcflow.passes.calibration.placement import Site, find_sites
from imcflow.passes.calibration.report import ACTIVATIONS_ATTRIBUTE, ActivationReport, attach
from imcflow.passes.calibration.scales import (
    SAMPLES_PER_TENSOR,
    IntegerRange,
    Samples,
    fit_group,
    fit_single,
    sqnr_db,
    symmetric,
)
from imcflow.passes.network.edit import Editor, network_block

Arrays = Mapping[str, NDArray[Any]]

IMAGES_PER_BATCH = 16
MOST_BITS = 16
EXTRA_SUM_BITS = 2
"""Summands share a scale that fits none of them well. 10 bits for 8-bit activations are still folded to thresholds."""


@dataclass(frozen=True)
class ImcQuantizeActivations(ModulePass):
    """See the module docstring."""

    name: ClassVar[str] = "imc-quantize-activations"

    calibration: str
    """`.npz` of sample inputs: arrays by ONNX input name, batch first."""

    bits: int = 8
    """Of every activation."""

    method: Literal["minmax", "percentile", "mse"] = "minmax"
    """How ranges follow from samples."""

    percentile: float | int = 99.99
    """Of `percentile`: share of the values inside the range, in percent."""

    sum_bits: int = 0
    """Of the summands of an addition; 0 for two more than `bits`, -1 leaves additions in floating point."""

    max_weight_bits: int = 8
    """Layers whose weights need more bits stay in floating point, and so do their inputs."""

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Rewrite the network in place."""
        if not 1 <= self.bits <= MOST_BITS:
            raise ImcflowError(f"imc-quantize-activations: bits={self.bits} is outside 1 ... {MOST_BITS}")
        if not -1 <= self.sum_bits <= MOST_BITS:
            raise ImcflowError(f"imc-quantize-activations: sum-bits={self.sum_bits} is outside -1 ... {MOST_BITS}")
        if not 50 < self.percentile <= 100:
            raise ImcflowError(f"imc-quantize-activations: percentile={self.percentile} is outside 50 ... 100")
        block = network_block(op)
        groups = find_sites(block, self.max_weight_bits, integer_sums=self.sum_bits >= 0)
        if not groups:
            return
        samples = _collect(op, read_arrays(Path(self.calibration)), [site.value for group in groups for site in group])
        reports: list[ActivationReport] = []
        for group in groups:
            for site, integers in zip(group, self._ranges(group, samples), strict=True):
                _insert(site, integers)
                reports.append(_report(site, integers, samples[site.value]))
        attach(op, ACTIVATIONS_ATTRIBUTE, reports)

    def _ranges(self, group: Sequence[Site], samples: Mapping[SSAValue, Samples]) -> list[IntegerRange]:
        bits = self.bits
        if group[0].is_summand:
            bits = self.sum_bits or min(self.bits + EXTRA_SUM_BITS, MOST_BITS)
        if len(group) == 1 and not group[0].never_negative:
            return [fit_single(samples[group[0].value], bits, self.method, self.percentile)]
        signed = [not site.never_negative for site in group]
        found = [samples[site.value] for site in group]
        scale = fit_group(found, signed, bits, self.method, self.percentile)
        templates = [symmetric(1.0, bits, signed=is_signed) for is_signed in signed]
        return [IntegerRange(scale, 0, template.low, template.high) for template in templates]


def _collect(module: ModuleOp, inputs: Arrays, wanted: Sequence[SSAValue]) -> dict[SSAValue, Samples]:
    """Run the network on the calibration data and keep samples of the `wanted` tensors."""
    function = main_function(module)
    names = port_names(function.arg_attrs, len(function.body.block.args), "input")
    missing = [name for name in names if name not in inputs]
    if missing:
        raise InputError(f"calibration data lacks input '{missing[0]}'; it holds {', '.join(inputs) or 'nothing'}")
    used = {name: inputs[name] for name in names}
    images = min((len(array) if array.ndim else 0) for array in used.values())
    if not images:
        raise InputError("calibration data holds no images")
    batches = range(0, images, IMAGES_PER_BATCH)
    samples = {value: Samples(max(1, SAMPLES_PER_TENSOR // len(batches))) for value in wanted}
    arguments = {
        name: argument for name, argument in zip(names, function.body.block.args, strict=True) if argument in samples
    }
    for begin in batches:
        batch = {name: array[begin : begin + IMAGES_PER_BATCH] for name, array in used.items()}
        for name, argument in arguments.items():
            samples[argument].add(batch[name].astype(np.float32))
        for recorded in trace(module, batch):
            result = recorded.op.results[0]
            if result in samples:
                samples[result].add(recorded.value)
    return samples


def _insert(site: Site, integers: IntegerRange) -> None:
    """Quantise behind the op that defines the tensor; only the site's readers see the integers."""
    following = _op_behind(site.value)
    editor = Editor(following)
    scale = float_constant(np.asarray(integers.scale, np.float32))
    zero = integer_constant(np.asarray(integers.zero_point, np.int64))
    quantised = QuantizeOp(site.value, scale, zero, low=integers.low, high=integers.high)
    real = DequantizeOp(quantised, scale, zero)
    for op in (scale, zero, quantised, real):
        if isinstance(site.value.owner, Operation):
            op.location = site.value.owner.location
        editor.add(op)
    site.value.replace_uses_with_if(real.result, lambda use: use.operation in site.readers)


def _op_behind(value: SSAValue) -> Operation:
    if isinstance(value, BlockArgument):
        following = value.block.first_op
    else:
        owner = value.owner
        following = owner.next_op if isinstance(owner, Operation) else None
    if following is None:
        raise ValueError("a network ends in a terminator, so an op follows every value")
    return following


def _report(site: Site, integers: IntegerRange, samples: Samples) -> ActivationReport:
    values = samples.values
    low = (integers.low - integers.zero_point - 0.5) * integers.scale
    high = (integers.high - integers.zero_point + 0.5) * integers.scale
    return ActivationReport(
        tensor=_name(site.value),
        bits=smallest_integer_type(integers.low, integers.high).width.data,
        signed=integers.low < 0,
        scale=integers.scale,
        zero_point=integers.zero_point,
        clipped_share=float(np.mean((values < low) | (values > high))) if values.size else 0.0,
        sqnr_db=sqnr_db(values, integers.apply(values)),
    )


def _name(value: SSAValue) -> str:
    """Return how reports name a tensor: the nodes that compute it, or the network's input."""
    if isinstance(value, BlockArgument):
        function = value.block.parent_op()
        attributes = function.arg_attrs if isinstance(function, FuncOp) else None
        return f"input '{port_names(attributes, len(value.block.args), 'input')[value.index]}'"
    if not isinstance(value, OpResult):
        raise ValueError("a value is an argument or a result")
    return ", ".join(node_names(value.op)) or value.op.name
