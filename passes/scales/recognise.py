"""Floating-point ops that provably hold integers become integer ops between real numbers and integers.

Exact rewrites, bit for bit:

* `clip(round(x), l, h)` and `round(clip(x, l, h))` with integral limits, also with `relu` among the limits, become
  `dequantize(quantize(x; scale 1, l ... h); scale 1)`;
* `sign(x)` becomes a threshold of `x` at 0 and at the least positive `f32`.
"""

from __future__ import annotations

import math

import numpy as np
from xdsl.ir import Block, Operation, SSAValue

from imcflow.dialect.attributes import Rounding
from imcflow.dialect.constants import float_constant, integer_constant
from imcflow.dialect.interpreter.rounding import round_float
from imcflow.dialect.ops_elementwise import ClipOp, ReluOp, RoundOp, SignOp
from imcflow.dialect.ops_quantise import DequantizeOp, QuantizeOp, ThresholdOp
from imcflow.dialect.types import is_float
from imcflow.passes.network.constants import constant_value
from imcflow.passes.network.edit import Editor

LARGEST_LEVEL = 1 << 24
"""float32 holds every integer up to this."""


def recognise_integers(block: Block) -> None:
    """Rewrite the ops of `block`; users before definitions, so that the outermost limits are seen first."""
    for op in reversed(list(block.ops)):
        if not op.results or not op.results[0].uses or constant_value(op.results[0]) is not None:
            continue
        if isinstance(op, SignOp) and is_float(op.input):
            _rewrite_sign(op)
        elif isinstance(op, ClipOp | ReluOp | RoundOp):
            _rewrite_rounding(op)


def _rewrite_sign(op: SignOp) -> None:
    editor = Editor(op)
    least_positive = np.nextafter(np.float32(0), np.float32(1))
    borders = editor.value(float_constant(np.asarray([[0, least_positive]], np.float32)))
    _replace_by_integers(editor, editor.value(ThresholdOp(op.input, borders, low=-1)))


def _rewrite_rounding(op: ClipOp | ReluOp | RoundOp) -> None:
    found = _bounded_rounding(op)
    if found is None:
        return
    source, mode, low, high = found
    editor = Editor(op)
    one = editor.value(float_constant(np.ones((), np.float32)))
    zero = editor.value(integer_constant(np.zeros((), np.int64)))
    _replace_by_integers(editor, editor.value(QuantizeOp(source, one, zero, low=low, high=high, mode=mode)))


def _replace_by_integers(editor: Editor, integers: SSAValue) -> None:
    one = editor.value(float_constant(np.ones((), np.float32)))
    zero = editor.value(integer_constant(np.zeros((), np.int64)))
    editor.replace(editor.value(DequantizeOp(integers, one, zero)))


def _bounded_rounding(op: Operation) -> tuple[SSAValue, Rounding, int, int] | None:
    """Return `(x, mode, low, high)` if `op` ends a chain of limits and one rounding over x.

    Rounding is monotone and leaves integers alone. So limits after it commute with it if they are integral, and limits
    before it may be rounded themselves; limits compose to limits.
    """
    low, high = -math.inf, math.inf
    mode: Rounding | None = None
    current: Operation | Block = op
    source: SSAValue | None = None
    while isinstance(current, ClipOp | ReluOp | RoundOp) and is_float(current.results[0]):
        if isinstance(current, RoundOp):
            if mode is not None:
                break
            mode = current.mode.data
        else:
            inner = _limits(current, mode)
            if inner is None:
                break
            # The outer limits apply last, so they also limit the inner ones.
            low, high = (min(max(limit, low), high) for limit in inner)
        source = current.operands[0]
        current = source.owner
    if mode is None or source is None or not max(-low, high) <= LARGEST_LEVEL:
        return None
    return source, mode, int(low), int(high)


def _limits(op: ClipOp | ReluOp, mode: Rounding | None) -> tuple[float, float] | None:
    """Return the limits as integers or infinities: rounded by `mode` if a rounding follows, else only if integral."""
    low, high = (op.low.value.data, op.high.value.data) if isinstance(op, ClipOp) else (0.0, math.inf)
    if mode is None:
        return (low, high) if low == np.floor(low) and high == np.floor(high) else None
    rounded = round_float(np.asarray([low, high], np.float32), mode)
    return float(rounded[0]), float(rounded[1])
