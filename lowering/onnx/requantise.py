"""Chains of Mul, Add, Div and a rounding on integers become one exact `imc.requantize`."""

from __future__ import annotations

import numpy as np
from xdsl.ir import SSAValue

from imcflow.dialect.attributes import Rounding
from imcflow.dialect.ops_quantise import RequantizeOp
from imcflow.lowering.onnx.builder import Affine, NetworkBuilder, Quotient
from imcflow.lowering.onnx.ranges import requantised_interval
from imcflow.lowering.onnx.tensors import Array

_MODES = {
    "Floor": Rounding.FLOOR,
    "Ceil": Rounding.CEIL,
    "Round": Rounding.HALF_EVEN,
    "Cast": Rounding.TRUNCATE,
}
"""ONNX op that rounds -> rounding mode; Cast also stands for the division of ONNX integers."""


def affine_of(build: NetworkBuilder, value: SSAValue) -> Affine:
    """Return the affine function that `value` is known to be; of itself if nothing is known."""
    known = build.affine.get(value)
    return Affine(value, np.ones((), np.int64), np.zeros((), np.int64), ()) if known is None else known


def requantised_quotient(build: NetworkBuilder, quotient: Quotient, op: str) -> SSAValue:
    """Emit the rounding of an exact fraction by the ONNX op `op`.

    The multiplications and additions before the division become multiplier and addend.
    """
    affine = affine_of(build, quotient.dividend)
    result = requantised(build, affine.source, affine.multiplier, affine.addend, quotient.divisor, _MODES[op])
    build.fuse_locations(result, (*affine.through, *quotient.through))
    return result


def requantised(
    build: NetworkBuilder,
    value: SSAValue,
    multiplier: Array,
    addend: Array,
    divisor: Array,
    mode: Rounding,
    limits: tuple[int, int] | None = None,
) -> SSAValue:
    """Emit `imc.requantize` with constants of any broadcastable shape, and the narrowest result type."""
    interval = requantised_interval(build.interval(value), multiplier, addend, divisor)
    if limits is not None:
        interval = interval.clamped(*limits)
        element = build.element(interval.union(type(interval)(*limits)))
    else:
        element = build.element(interval)
    op = RequantizeOp(
        value,
        build.constant(multiplier),
        build.constant(addend),
        build.constant(divisor),
        element,
        low=None if limits is None else limits[0],
        high=None if limits is None else limits[1],
        mode=mode,
    )
    return build.emit(op, interval)
