"""How many arrays work on a layer at the same time."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from imcflow.dialect.types import shape_of
from imcflow.passes.reduction.digits import signed_digits
from imcflow.passes.reduction.partial_sums import SharedLayer, economic_arrays, most_arrays, shared_layer
from imcflow.passes.unrolling.matrices import joins_channels, layer_matrix

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imcflow.passes.ap_target import ApTarget
    from imcflow.passes.unrolling.matrices import LinearOp

AUTO = "auto"


def arrays_per_layer(wanted: int | str, layers: Sequence[LinearOp], target: ApTarget) -> list[int]:
    """Return a number of arrays for each layer.

    Layers that join channels share their input channels, in a power of two of arrays; the others share their outputs.

    Args:
        wanted: most arrays, or `AUTO` for the least estimated energy-delay product of all layers together.
        layers: of the network, one after another.
        target: arrays of a row block, and in all.
    """
    limits = [_limit(wanted, layer, target) for layer in layers]
    if not isinstance(wanted, str):
        return limits
    joining = [number for number, layer in enumerate(layers) if joins_channels(layer)]
    estimates = [_estimate(layers[number], limits[number], target) for number in joining]
    # Sharing outputs costs nothing, so that those layers take all arrays they can get.
    for number, arrays in zip(joining, economic_arrays(estimates), strict=True):
        limits[number] = arrays
    return limits


def _row_blocks(layer: LinearOp, target: ApTarget) -> int:
    return -(-math.prod(shape_of(layer.results[0])[2:]) // target.summary.rows)


def _limit(wanted: int | str, layer: LinearOp, target: ApTarget) -> int:
    most = max(1, target.arrays // _row_blocks(layer, target)) if isinstance(wanted, str) else wanted
    channels = shape_of(layer.operands[0] if joins_channels(layer) else layer.results[0])[1]
    return most_arrays(most, channels, target.summary.array_count)


def _estimate(layer: LinearOp, most: int, target: ApTarget) -> SharedLayer:
    matrix = layer_matrix(layer)
    blocks = _row_blocks(layer, target)
    return shared_layer(len(signed_digits(matrix)), len(matrix), blocks, most, target.cycles, target.weights.move)
