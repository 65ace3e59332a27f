"""Layer shapes and the MLPerf Tiny layer lists."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imcflow.errors import TargetError
from imcflow.targets.crossbar.layers import Dim, Layer, Operand, distinct_positions
from imcflow.targets.crossbar.workloads import MLPERF_TINY


@pytest.mark.parametrize(
    ("network", "layers", "macs", "weights"),
    [
        ("resnet8", 10, 12_501_632, 77_360),
        ("ds_cnn", 10, 2_656_768, 22_016),
        ("mobilenet_v1", 28, 7_489_664, 208_112),
        ("deep_autoencoder", 10, 264_192, 264_192),
    ],
)
def test_network_sizes(network, layers, macs, weights):
    shapes = MLPERF_TINY[network]()
    assert len(shapes) == layers
    assert sum(layer.macs for layer in shapes) == macs
    assert sum(layer.weight_count for layer in shapes) == weights
    names = [layer.name for layer in shapes]
    assert all(source in names[: names.index(layer.name)] for layer in shapes for source in layer.sources)


@given(st.integers(1, 3), st.integers(1, 9), st.integers(1, 3), st.integers(1, 7))
def test_positions_are_those_the_windows_touch(stride, outputs, dilation, taps):
    touched = {stride * output + dilation * tap for output in range(outputs) for tap in range(taps)}
    assert distinct_positions(stride, outputs, dilation, taps) == len(touched)


def test_operand_sizes():
    layer = Layer("conv", K=16, C=3, OX=32, OY=32, FX=3, FY=3, input_x=32, input_y=32)
    assert layer.operand_bits(Operand.WEIGHT) == 432 * 8
    assert layer.operand_bits(Operand.OUTPUT) == 32 * 32 * 16 * 16
    assert layer.operand_bits(Operand.INPUT) == 32 * 32 * 3 * 8
    assert layer.operand_bits(Operand.INPUT, clip=False) == 34 * 34 * 3 * 8
    assert not layer.is_matrix_product
    assert Layer("fc", K=10, C=64).is_matrix_product


def test_transposing_keeps_the_work():
    layer = Layer("conv", K=64, OX=5, OY=25, FX=4, FY=10, stride_x=2, stride_y=3, input_x=10, input_y=49)
    turned = layer.transposed()
    assert turned.macs == layer.macs
    assert (turned.size(Dim.OX), turned.size(Dim.FX), turned.stride_x, turned.input_x) == (25, 10, 3, 49)
    assert turned.transposed() == layer


def test_equal_shapes_share_a_search():
    first, second = Layer("a", K=4, sources=("x",)), Layer("b", K=4)
    assert first.search_key == second.search_key
    assert first.search_key != Layer("a", K=5).search_key


@pytest.mark.parametrize(("key", "value"), [("K", 0), ("OX", -1), ("stride_x", 0), ("weight_bits", 0)])
def test_wrong_shapes_are_refused(key, value):
    with pytest.raises(TargetError, match=f"layer conv: {key} is {value}"):
        Layer("conv", **{key: value})
