"""Compiled max pooling against the same in numpy, any geometry."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from imcflow.runtime.digital import pooling, run_operation
from imcflow.runtime.digital.registry import Call
from imcflow.runtime.program import ElementType


def largest(call: Call, patch: pytest.MonkeyPatch, *, compiled: bool) -> np.ndarray:
    patch.setattr(pooling, "BYTES_WORTH_MACHINE_CODE", 0 if compiled else 1 << 60)
    return run_operation("max_pool", call)


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_compiled_max_pooling_equals_numpy(data: st.DataObject) -> None:
    pairs = [data.draw(st.tuples(st.integers(1, most), st.integers(1, most))) for most in (3, 60, 5, 4, 3)]
    maps, size, kernel, strides, dilations = pairs
    pads = data.draw(st.tuples(*[st.integers(0, 3)] * 4))
    reach = [size[axis] + pads[axis] + pads[axis + 2] - dilations[axis] * (kernel[axis] - 1) - 1 for axis in (0, 1)]
    assume(min(reach) >= 0)
    beyond = data.draw(st.integers(0, 1))  # as with ceil_mode
    shape = (*maps, *(reach[axis] // strides[axis] + 1 + beyond for axis in (0, 1)))
    dtype = data.draw(st.sampled_from([np.int8, np.uint8]))
    limits = np.iinfo(dtype)
    values = np.random.default_rng(data.draw(st.integers(0, 99))).integers(
        limits.min, limits.max, (*maps, *size), dtype, endpoint=True
    )
    if data.draw(st.booleans()):  # as array kernels store them
        values = np.ascontiguousarray(values.transpose(1, 0, 2, 3)).transpose(1, 0, 2, 3)
    names = {"kernel": kernel, "strides": strides, "dilations": dilations, "pads": pads}
    attributes = {name: list(numbers) for name, numbers in names.items()}
    call = Call([values], attributes, ElementType(8, dtype is np.int8), np.dtype(dtype), shape)
    with pytest.MonkeyPatch.context() as patch:
        np.testing.assert_array_equal(largest(call, patch, compiled=True), largest(call, patch, compiled=False))
