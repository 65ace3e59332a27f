"""The target's digital unit: everything that the arrays do not compute, in numpy.

The operations mean what the network-level ops of the same names mean. They are written apart from the reference
interpreter, which is their oracle in the tests.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from imcflow.errors import ProgramError
from imcflow.runtime.digital import elementwise, linear, pooling, quantise, shape
from imcflow.runtime.digital.registry import OPERATIONS, Array, Call, is_float

OPERATION_MODULES = (elementwise, linear, pooling, quantise, shape)
"""Importing these registers the operations."""


def known_operations() -> frozenset[str]:
    """Return the mnemonics that the digital unit computes."""
    return frozenset(OPERATIONS)


def run_operation(op: str, call: Call) -> Array:
    """Compute one operation; the result has the type and shape that the call names.

    Raises:
        ProgramError: the operation is unknown, or has no result on these operands.
    """
    function = OPERATIONS.get(op)
    if function is None:
        raise ProgramError(f"op '{op}' is unknown to the digital unit")
    # Floating point means what IEEE says, infinities and undefined numbers included: nothing to warn about.
    with np.errstate(all="ignore"):
        result = function(call)
    if result.shape != call.shape:
        raise ProgramError(f"op '{op}' gives shape {list(result.shape)}, its tensor has {list(call.shape)}")
    return _stored(op, result, call.dtype)


def _stored(op: str, result: Array, dtype: np.dtype[Any]) -> Array:
    """Convert to the storage type; a value that it does not hold is an error, never a wrapped integer."""
    if result.dtype == dtype:
        return result
    if dtype.kind in "iu" and result.size and not _fits(result, dtype):
        limits = np.iinfo(dtype)
        raise ProgramError(f"op '{op}' gives a value outside {limits.min} ... {limits.max}, the range of its tensor")
    return result.astype(dtype)


def _fits(result: Array, dtype: np.dtype[Any]) -> bool:
    if not is_float(result) and np.can_cast(result.dtype, dtype):
        return True
    limits = np.iinfo(dtype)
    return bool(result.min() >= limits.min and result.max() <= limits.max)
