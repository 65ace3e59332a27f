"""Padded maps against numpy: any geometry, type, strides and number of workers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imcflow.runtime.execution import padded_map as padded_module
from imcflow.runtime.execution.blocks import BlockPool
from imcflow.runtime.execution.padded_map import PaddedMap
from imcflow.runtime.execution.windows import ImageLayout
from imcflow.runtime.execution.workspace import Workspace
from imcflow.runtime.program import Window

DTYPES = [np.int8, np.uint8, np.int16, np.uint16, np.int32, np.int64]


def expected(layout: ImageLayout, tensor: np.ndarray) -> np.ndarray:
    """[byte, channel, image, row, phase, column] as the docstring of `imcflow.runtime.execution.windows` says."""
    window = layout.window
    top, left, bottom, _ = window.pads
    wide = layout.columns * layout.phases - window.width - left
    border = [(0, 0), (0, 0), (top, bottom), (left, wide)]
    padded = np.pad(tensor.astype(np.int64), border, constant_values=window.pad_value)
    planes = np.stack([padded >> min(8 * plane, 63) & 0xFF for plane in range(layout.byte_planes)])
    planes = planes.transpose(0, 2, 1, 3, 4)
    by_phase = planes.reshape(*planes.shape[:-1], layout.columns, layout.phases)
    return by_phase.swapaxes(-1, -2).astype(np.uint8)


@st.composite
def maps(draw: st.DrawFn) -> tuple[ImageLayout, np.ndarray]:
    size = st.integers(1, 5)
    images, channels, height = draw(size), draw(size), draw(size)
    width = draw(st.integers(1, 80))
    pads = draw(st.tuples(*[st.integers(0, 3)] * 4))
    stride = draw(st.integers(1, 4))
    dtype = draw(st.sampled_from(DTYPES))
    window = Window(0, channels, height, width, (1, 1), (1, stride), pads, (1, 1), draw(st.integers(-9, 9)), 8, True)
    limits = np.iinfo(dtype)
    values = np.random.default_rng(draw(st.integers(0, 99))).integers(
        limits.min, limits.max, (images, channels, height, width), dtype, endpoint=True
    )
    order = draw(st.permutations(range(4)))
    values = np.ascontiguousarray(values.transpose(order)).transpose(np.argsort(order))
    if draw(st.booleans()):
        values = values[:, :, ::-1]
    return ImageLayout(window, images, draw(st.integers(1, 9))), values


@settings(max_examples=200, deadline=None)
@given(given_map=maps(), threads=st.integers(1, 3), limit=st.sampled_from([0, 1 << 60]))
def test_maps_are_laid_out_as_declared(given_map: tuple[ImageLayout, np.ndarray], threads: int, limit: int) -> None:
    layout, tensor = given_map
    with pytest.MonkeyPatch.context() as patch, BlockPool(threads) as pool:
        patch.setattr(padded_module, "BYTES_WORTH_A_WORKER", limit)
        padded = PaddedMap(layout)
        for again in range(3):  # the same memory, other memory, another type or other strides
            values = tensor if again < 2 else np.ascontiguousarray(tensor.astype(np.int64))
            buffer = Workspace().fresh(layout.buffer_bytes)
            buffer[:] = 0xA5
            padded.fill(buffer, values, pool)
            want = expected(layout, values)
            np.testing.assert_array_equal(buffer[: want.size].reshape(want.shape), want)
            assert (buffer[want.size :] == 0xA5).all()
