"""Layers read from a module, and the windows that their slices see."""

from __future__ import annotations

import numpy as np
from mlir_text import parsed

from imcflow.dialect.interpreter import interpret
from imcflow.passes.packing import LayerShape
from imcflow.passes.packing.module_layers import weighted_layers

NETWORK = """
func.func @main(%x: tensor<?x2x5x4xsi4> {imc.name = "x"}) -> (tensor<?x4x2x3xsi12> {imc.name = "y"}) {
  %w = imc.constant dense<[[[[1, -2], [3, 0]]], [[[0, 1], [1, 1]]], [[[2, 2], [-1, 1]]], [[[1, 0], [0, 5]]]]>
       : tensor<4x1x2x2xi8> as tensor<4x1x2x2xsi4>
  %y = imc.conv2d %x, %w {groups = 2 : i64, strides = array<i64: 2, 1>, pads = array<i64: 0, 1, 0, 0>,
       dilations = array<i64: 2, 2>, pad_value = 3 : i64}
       : (tensor<?x2x5x4xsi4>, tensor<4x1x2x2xsi4>) -> tensor<?x4x2x3xsi12>
  func.return %y : tensor<?x4x2x3xsi12>
}
"""

FLOATS = """
func.func @main(%x: tensor<?x2xf32>) -> tensor<?x2xf32> {
  %w = imc.constant dense<[[1.0, 2.0], [3.0, 4.0]]> : tensor<2x2xf32> as tensor<2x2xf32>
  %y = imc.gemm %x, %w : (tensor<?x2xf32>, tensor<2x2xf32>) -> tensor<?x2xf32>
  func.return %y : tensor<?x2xf32>
}
"""


def test_grouped_strided_dilated_padded_windows():
    module = parsed(NETWORK)
    (layer,) = weighted_layers(module)
    assert layer.shape == LayerShape(layer.shape.name, 2, 4, 2, 2, 3)
    image = np.random.default_rng(1).integers(-8, 8, (1, 2, 5, 4))
    sums = np.einsum("pgr,gkr->pgk", layer.windows(image[0]), layer.weights)
    (expected,) = interpret(module, {"x": image}).values()
    np.testing.assert_array_equal(sums.reshape(6, 4).T.reshape(4, 2, 3), expected[0])


def test_layers_in_floating_point_are_left_out():
    assert weighted_layers(parsed(FLOATS)) == []
