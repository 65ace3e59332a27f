"""Plain unrolling: every signed digit of every weight is one accumulation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from imcflow.dialect.add_sub_program import AddSubProgram
from imcflow.passes.reduction.digits import by_slice, signed_digits

if TYPE_CHECKING:
    from numpy.typing import NDArray


def plain_program(
    matrix: NDArray[np.integer], *, group: int = 0, bias: NDArray[np.int64] | None = None
) -> AddSubProgram:
    """Unroll a matrix without sharing anything.

    Args:
        matrix: integers [outputs, inputs].
        group: window elements per slice; 0 for one slice.
        bias: int64 [outputs]; zeros if missing.

    Returns:
        a program without operations.
    """
    outputs, inputs = matrix.shape
    digits = signed_digits(matrix)
    size = group or max(inputs, 1)
    borders = slice_borders(inputs, size)
    slice_of = digits.input // size
    order = by_slice(digits, slice_of)
    offset = np.zeros(len(matrix), dtype=np.int64) if bias is None else bias
    none32, none8 = np.zeros(0, dtype=np.int32), np.zeros(0, dtype=np.uint8)
    return AddSubProgram(
        input_count=inputs,
        output_count=outputs,
        lhs=none32,
        rhs=none32,
        lhs_shift=none8,
        rhs_shift=none8,
        subtract=none8,
        accumulate_output=digits.output[order],
        accumulate_value=digits.input[order],
        accumulate_shift=digits.shift[order],
        accumulate_subtract=digits.negative[order],
        bias=offset,
        slice_inputs=borders,
        slice_operations=np.zeros(len(borders), dtype=np.int32),
        slice_accumulations=np.searchsorted(slice_of[order], np.arange(len(borders))).astype(np.int32),
    )


def slice_borders(inputs: int, size: int) -> NDArray[np.int32]:
    """Borders of slices of `size` window elements, the last one shorter: int32 [slices + 1]."""
    return np.append(np.arange(0, max(inputs, 1), size, dtype=np.int32), np.int32(inputs)).astype(np.int32)
