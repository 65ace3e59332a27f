"""Real weights are recognised as small integers times scales exactly, or not at all."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imcflow.passes.network.weights import ScaledWeights, decompose, signed_bits

SCALES = st.floats(2.0**-30, 2.0**20, width=32, exclude_min=True)


def product(found: ScaledWeights) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    scales = found.scale.astype(np.float32).reshape((-1,) + (1,) * (found.integers.ndim - 1))
    return found.integers.astype(np.float32) * scales


@given(data=st.data(), bits=st.sampled_from([2, 3, 4, 8]), per_channel=st.booleans())
def test_integers_times_scales_are_found_again(data: st.DataObject, bits: int, per_channel: bool) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    limit = (1 << (bits - 1)) - 1
    integers = rng.integers(-limit, limit + 1, (3, 2, 2, 2))
    scales = np.asarray([data.draw(SCALES) for _ in range(3)] if per_channel else [data.draw(SCALES)] * 3, np.float32)
    weights = integers.astype(np.float32) * scales[:, None, None, None]
    found = decompose(weights, bits)
    assert isinstance(found, ScaledWeights), found
    np.testing.assert_array_equal(product(found), weights)
    assert signed_bits(found.integers) <= bits


def test_minus_zero_is_zero_and_empty_channels_take_any_scale() -> None:
    found = decompose(np.asarray([[-0.0, 0.3, -0.3], [0.0, -0.0, 0.0]], np.float32), 2)
    assert isinstance(found, ScaledWeights)
    assert found.integers.tolist() == [[0, 1, -1], [0, 0, 0]]
    assert found.scale.tolist() == [np.float32(0.3), np.float32(0.3)]


def test_one_scale_is_preferred_unless_channels_save_bits() -> None:
    shared = decompose(np.asarray([[0.5, -0.5], [0.5, 0.0]], np.float32), 8)
    apart = decompose(np.asarray([[0.5, -0.5], [1.5, 0.0]], np.float32), 8)
    assert isinstance(shared, ScaledWeights)
    assert isinstance(apart, ScaledWeights)
    assert shared.scale.tolist() == [0.5, 0.5]
    assert apart.scale.tolist() == [0.5, 1.5]
    assert np.abs(apart.integers).max() == 1


@pytest.mark.parametrize(("weights", "reason"), [
    ([[0.7312, -0.2911]], "the 2 different weights of output channel 0 are no multiples, up to 128, of one scale"),
    ([[1.0, 0.0], [np.nan, 1.0]], "a weight is infinite or undefined"),
])  # fmt: skip
def test_other_weights_are_refused_with_a_reason(weights: list[list[float]], reason: str) -> None:
    assert decompose(np.asarray(weights, np.float32), 8) == reason
