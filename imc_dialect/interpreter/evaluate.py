"""Evaluation of one op, with the check that integers fit their declared type."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from xdsl.dialects.builtin import IntegerType
from xdsl.ir import Operation

from imcflow.dialect.interpreter import elementwise, linear, mapped, pooling, quantise, shape
from imcflow.dialect.interpreter.registry import MEANINGS, Array
from imcflow.dialect.locations import describe
from imcflow.dialect.types import element_type_of, value_range
from imcflow.errors import ModelError

OP_MODULES = (elementwise, linear, mapped, pooling, quantise, shape)
"""Importing these registers the meanings."""


def evaluate_op(op: Operation, operands: Sequence[Array]) -> Array:
    """Return the result of `op` on arrays (`int64` for integer tensors, `float32` for `f32`).

    Raises:
        ModelError: naming the node, if the op has no meaning, or a result does not fit its type.
    """
    function = MEANINGS.get(type(op))
    if function is None:
        raise ModelError(f"{describe(op)}: the reference interpreter has no meaning for this op")
    try:
        # Floating point means what IEEE says, infinities and undefined numbers included.
        with np.errstate(all="ignore"):
            result = function(op, *operands)
    except ArithmeticError as error:
        raise ModelError(f"{describe(op)}: {error}") from error
    element = element_type_of(op.results[0])
    if not isinstance(element, IntegerType):
        return result.astype(np.float32, copy=False)
    low, high = value_range(element)
    if result.size:
        least, greatest = int(result.min()), int(result.max())
        if least < low or greatest > high:
            wrong = least if least < low else greatest
            raise ModelError(f"{describe(op)}: value {wrong} does not fit {element}")
    return result.astype(np.int64, copy=False)
