"""Layers of a module that crossbar macros can hold: integer convolutions and matrix products with constant weights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from xdsl.dialects.builtin import ModuleOp

from imcflow.dialect.constants import constant_array
from imcflow.dialect.locations import node_names
from imcflow.dialect.ops_network import Conv2dOp, GemmOp, window_properties
from imcflow.dialect.types import is_float, shape_of
from imcflow.passes.packing.shapes import LayerShape

Integers = NDArray[np.int64]


@dataclass(frozen=True, eq=False, slots=True)
class WeightedLayer:
    """A layer of the module and what packing needs of it.

    Args:
        op: the op.
        shape: its weight matrices; output positions are those of one image.
        weights: [groups, output channels, reduction], the reduction in the order channel, kernel row, kernel column.
    """

    op: Conv2dOp | GemmOp
    shape: LayerShape
    weights: Integers

    def windows(self, feature_map: Integers) -> Integers:
        """The inputs of every output position of one image, [positions, groups, reduction].

        Args:
            feature_map: the op's input for one image, without the batch axis.
        """
        op = self.op
        if isinstance(op, GemmOp):
            return feature_map.reshape(1, 1, -1)
        strides, pads, dilations = window_properties(op.strides, op.pads, op.dilations)
        padded = np.pad(
            feature_map,
            ((0, 0), (pads[0], pads[2]), (pads[1], pads[3])),
            constant_values=op.pad_value.value.data,
        )
        out_height, out_width = shape_of(op.result)[2:]
        kernel_height, kernel_width = shape_of(op.weights)[2:]
        row = np.arange(out_height)[:, None] * strides[0] + np.arange(kernel_height) * dilations[0]
        column = np.arange(out_width)[:, None] * strides[1] + np.arange(kernel_width) * dilations[1]
        # [channel, output row, kernel row, output column, kernel column]
        taps = padded[:, row[:, :, None, None], column[None, None, :, :]]
        by_position = taps.transpose(1, 3, 0, 2, 4)
        return by_position.reshape(out_height * out_width, self.shape.groups, self.shape.reduction)


def weighted_layers(module: ModuleOp) -> list[WeightedLayer]:
    """Layers in execution order; those computed in floating point or with weights that are no constant are left out."""
    layers: list[WeightedLayer] = []
    for op in module.walk():
        if not isinstance(op, Conv2dOp | GemmOp) or is_float(op.input) or is_float(op.weights):
            continue
        weights = constant_array(op.weights)
        if weights is None:
            continue
        groups = op.groups.value.data if isinstance(op, Conv2dOp) else 1
        matrices = weights.astype(np.int64).reshape(groups, weights.shape[0] // groups, -1)
        height, width = shape_of(op.result)[2:] if isinstance(op, Conv2dOp) else (1, 1)
        names = node_names(op)
        name = names[0] if names else f"layer{len(layers)}"
        shape = LayerShape(name, matrices.shape[1], matrices.shape[2], groups, height, width)
        layers.append(WeightedLayer(op, shape, matrices))
    return layers
