"""What an ONNX tensor name stands for during the import."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xdsl.ir import SSAValue

Array = NDArray[Any]

BATCH = -(1 << 62)
"""Entry of a `ShapeVector` that stands for the size of the batch; no shape holds this number."""


@dataclass(frozen=True, eq=False)
class Quantisation:
    """The integers behind a real constant: `real = float32(integers - zero_point) * scale`.

    Attributes:
        integers: int64, the shape of the constant.
        scale: float32, one element or as many axes as the constant.
        zero_point: int64, like `scale`.
    """

    integers: Array
    scale: Array
    zero_point: Array

    def real(self) -> Array:
        """Return the float32 values."""
        return (self.integers - self.zero_point).astype(np.float32) * self.scale


@dataclass(frozen=True, eq=False)
class Constant:
    """A tensor known at compile time.

    Attributes:
        array: the values in the ONNX type.
        quantisation: the integers behind them, if a quantiser made the values.
    """

    array: Array
    quantisation: Quantisation | None = None

    def moved(self, move: Callable[[Array], Array], *, keeps_axes: bool) -> Constant:
        """Return the constant after a movement of elements.

        Args:
            move: maps an array to the moved array.
            keeps_axes: whether the movement can be applied to a broadcast scale with as many axes too.
        """
        if self.quantisation is None:
            return Constant(move(self.array))
        integers, scale, zero_point = self.quantisation.integers, self.quantisation.scale, self.quantisation.zero_point
        if scale.size == 1 and zero_point.size == 1:
            quantisation = Quantisation(move(integers), scale.reshape(()), zero_point.reshape(()))
        elif keeps_axes:
            full = (1,) * integers.ndim
            scale, zero_point = (array.reshape(full) if array.size == 1 else array for array in (scale, zero_point))
            quantisation = Quantisation(move(integers), move(scale), move(zero_point))
        else:
            return Constant(move(self.array))
        return Constant(move(self.array), quantisation)

    def integers(self) -> Array | None:
        """Return the values as int64 if all are integral, else None."""
        return integral(self.array)


def integral(array: Array) -> Array | None:
    """Return an array as int64 if all its values are integers of at most 62 bits, else None."""
    if array.dtype.kind in "iub":
        return array.astype(np.int64)
    if (
        array.dtype.kind == "V"
    ):  # the small types that numpy does not have (int4, bfloat16, ...); float32 holds them all
        array = array.astype(np.float32)
    if array.dtype.kind != "f" or not np.all(np.isfinite(array)):
        return None
    if np.any(array != np.trunc(array)) or np.any(np.abs(array) >= float(1 << 62)):
        return None
    return array.astype(np.int64)


@dataclass(frozen=True)
class Activation:
    """A tensor computed at run time; axis 0 is the batch.

    Attributes:
        value: integers or `f32`. A tensor of ONNX type float may be typed as integers here.
        dtype: numpy name of the ONNX type: "float32", "int8", "int64", "bool", ...
    """

    value: SSAValue
    dtype: str

    @property
    def source_is_integer(self) -> bool:
        """Whether ONNX itself computes this tensor in integers."""
        return self.dtype.startswith(("int", "uint"))


@dataclass(frozen=True)
class ShapeVector:
    """The shape of an activation, or entries picked from it: integers known at compile time, and `BATCH`.

    Attributes:
        entries: the integers.
        scalar: whether the tensor has no axes (one entry).
    """

    entries: tuple[int, ...]
    scalar: bool = False


@dataclass(frozen=True)
class Unavailable:
    """An output that is not computed; reading it is an error.

    Attributes:
        reason: why, for the message.
    """

    reason: str


Tensor = Constant | Activation | ShapeVector | Unavailable
