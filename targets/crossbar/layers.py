"""Layers as loop nests: the shape of one convolution, depthwise convolution or matrix product.

    O[b, g, k, ox, oy] += W[g, k, c, fx, fy] * I[b, g, c, ix, iy],  ix = stride_x ox + dilation_x fx

A workload is a sequence of `Layer`s in execution order; `sources` names the layers whose results a layer reads (more
than one where an addition joins branches), so that the lifetime of branch tensors is known.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from imcflow.errors import TargetError

if TYPE_CHECKING:
    from collections.abc import Mapping


class Operand(StrEnum):
    """What a memory level holds."""

    INPUT = "I"
    WEIGHT = "W"
    OUTPUT = "O"


OPERANDS = tuple(Operand)


class Dim(StrEnum):
    """The eight loop dimensions; C and K are counted per group."""

    B = "B"
    G = "G"
    K = "K"
    C = "C"
    OX = "OX"
    OY = "OY"
    FX = "FX"
    FY = "FY"


DIMS = tuple(Dim)
"""All dimensions, as a tuple: iterating an enum class is slow."""

RELEVANT: dict[Operand, frozenset[Dim]] = {
    Operand.WEIGHT: frozenset({Dim.G, Dim.K, Dim.C, Dim.FX, Dim.FY}),
    Operand.OUTPUT: frozenset({Dim.B, Dim.G, Dim.K, Dim.OX, Dim.OY}),
    Operand.INPUT: frozenset({Dim.B, Dim.G, Dim.C}),
}
"""Dimensions that index an operand directly. OX, FX (OY, FY) index inputs together, as sliding windows."""

WINDOW_DIMS = frozenset({Dim.OX, Dim.OY, Dim.FX, Dim.FY})


def distinct_positions(stride: int, outputs: int, dilation: int, taps: int) -> int:
    """Distinct input positions touched by `outputs` windows of `taps` taps along one axis."""
    common = math.gcd(stride, dilation)
    repeated = max(0, taps - stride // common) * max(0, outputs - dilation // common)
    return outputs * taps - repeated


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer's loop bounds.

    Args:
        name: the ONNX node name, or any unique name.
        B, G, K, C, OX, OY, FX, FY: loop bounds; K and C are per group, a depthwise layer has K = C = 1.
        stride_x, stride_y, dilation_x, dilation_y: of the sliding window.
        input_x, input_y: size of the stored input (without padding); 0 takes every position the windows touch.
        weight_bits, activation_bits: width of weights and inputs.
        partial_sum_bits, output_bits: width of an output before and after its last accumulation.
        sources: names of the layers whose outputs this layer reads; empty for the network's input.

    Raises:
        TargetError: a bound below 1, or a stored input larger than the windows touch.
    """

    name: str
    B: int = 1
    G: int = 1
    K: int = 1
    C: int = 1
    OX: int = 1
    OY: int = 1
    FX: int = 1
    FY: int = 1
    stride_x: int = 1
    stride_y: int = 1
    dilation_x: int = 1
    dilation_y: int = 1
    input_x: int = 0
    input_y: int = 0
    weight_bits: int = 8
    activation_bits: int = 8
    partial_sum_bits: int = 16
    output_bits: int = 8
    sources: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for dim in DIMS:
            if self.size(dim) < 1:
                raise TargetError(f"layer {self.name}: {dim} is {self.size(dim)}, but a loop bound is at least 1")
        for key in ("stride_x", "stride_y", "dilation_x", "dilation_y", "weight_bits", "activation_bits"):
            if getattr(self, key) < 1:
                raise TargetError(f"layer {self.name}: {key} is {getattr(self, key)}, but must be at least 1")

    def size(self, dim: Dim) -> int:
        """Loop bound of one dimension."""
        return getattr(self, dim)

    @property
    def sizes(self) -> dict[Dim, int]:
        """All loop bounds."""
        return {dim: self.size(dim) for dim in DIMS}

    @property
    def macs(self) -> int:
        """Multiply-accumulate operations of the layer."""
        return math.prod(self.sizes.values())

    @property
    def weight_count(self) -> int:
        """Stored weights."""
        return self.G * self.K * self.C * self.FX * self.FY

    def transposed(self) -> Layer:
        """The same layer with its x and y axes swapped: equal work, but not equal for a search that favours an axis."""
        return replace(
            self,
            OX=self.OY,
            OY=self.OX,
            FX=self.FY,
            FY=self.FX,
            stride_x=self.stride_y,
            stride_y=self.stride_x,
            dilation_x=self.dilation_y,
            dilation_y=self.dilation_x,
            input_x=self.input_y,
            input_y=self.input_x,
        )

    @property
    def search_key(self) -> tuple[object, ...]:
        """Everything that decides the best mapping: two layers with equal keys cost the same."""
        return tuple(getattr(self, key) for key in _SEARCH_FIELDS)

    @property
    def is_matrix_product(self) -> bool:
        """True for a fully connected layer: no window and a single output position."""
        return self.OX * self.OY * self.FX * self.FY * self.G == 1

    def input_positions(self, outputs: float, taps: float, *, horizontal: bool, clip: bool) -> int:
        """Distinct input positions of `outputs` x `taps` loop iterations along one axis.

        Args:
            outputs: OX (or OY) iterations; fractions of uneven tiles are cut off.
            taps: FX (or FY) iterations, likewise.
            horizontal: the x axis, else the y axis.
            clip: never more than the stored input (padding is not stored).
        """
        stride = self.stride_x if horizontal else self.stride_y
        dilation = self.dilation_x if horizontal else self.dilation_y
        touched = distinct_positions(stride, int(outputs), dilation, int(taps))
        stored = self.input_x if horizontal else self.input_y
        return min(touched, stored) if clip and stored else touched

    def tile_elements(self, operand: Operand, tile: Mapping[Dim, float], *, clip: bool) -> float:
        """Elements of an operand that a tile of loop iterations touches; fractional for uneven tiles."""
        if operand is Operand.WEIGHT:
            return tile[Dim.G] * tile[Dim.K] * tile[Dim.C] * tile[Dim.FX] * tile[Dim.FY]
        if operand is Operand.OUTPUT:
            return tile[Dim.B] * tile[Dim.G] * tile[Dim.K] * tile[Dim.OX] * tile[Dim.OY]
        positions = self.input_positions(tile[Dim.OX], tile[Dim.FX], horizontal=True, clip=clip)
        positions *= self.input_positions(tile[Dim.OY], tile[Dim.FY], horizontal=False, clip=clip)
        return tile[Dim.B] * tile[Dim.G] * tile[Dim.C] * positions

    def operand_bits(self, operand: Operand, *, clip: bool = True) -> int:
        """Size of a whole operand in bits, outputs at partial-sum width."""
        width = {
            Operand.INPUT: self.activation_bits,
            Operand.WEIGHT: self.weight_bits,
            Operand.OUTPUT: self.partial_sum_bits,
        }[operand]
        return int(self.tile_elements(operand, self.sizes, clip=clip)) * width


_SEARCH_FIELDS = tuple(key for key in Layer.__dataclass_fields__ if key not in ("name", "sources"))
