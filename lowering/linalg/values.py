"""What an SSA value of the linalg function stands for while it is converted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from xdsl.dialects.builtin import (
    DenseIntOrFPElementsAttr,
    Float32Type,
    FloatAttr,
    IndexType,
    IntegerAttr,
    IntegerType,
    TensorType,
)
from xdsl.ir import Attribute, SSAValue
from xdsl.utils.hints import isa

from imcflow.dialect.types import shape_of
from imcflow.lowering.onnx.ranges import Interval

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Constant:
    """Integers (int64) or float32, known at compile time; a scalar has no axes."""

    array: NDArray[Any]

    @property
    def interval(self) -> Interval | None:
        """Least and greatest integer; None for floating point."""
        if self.array.dtype.kind == "f":
            return None
        return Interval(int(self.array.min()), int(self.array.max())) if self.array.size else Interval(0, 0)


@dataclass(frozen=True, eq=False)
class Affine:
    """Integers `source * multiplier + addend`; the constants broadcast against the source."""

    source: SSAValue
    multiplier: NDArray[np.int64]
    addend: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Activation:
    """A tensor that depends on the function's arguments; axis 0 is the batch.

    Attributes:
        value: the emitted tensor.
        interval: the integers that it may take; None for `f32`.
        order: axis i of the tensor that is meant is axis `order[i]` of `value`; empty: the same order. A transposition
            waits here, so that arithmetic on any layout is emitted on the layout of the layer before it.
        affine: what `value` is known to be, so that a division behind it becomes one exact requantisation.
    """

    value: SSAValue
    interval: Interval | None
    order: tuple[int, ...] = ()
    affine: Affine | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the tensor that is meant; the batch is `DYNAMIC_INDEX`."""
        emitted = shape_of(self.value)
        return tuple(emitted[axis] for axis in self.order) if self.order else emitted


@dataclass(frozen=True, eq=False)
class Padded:
    """An activation behind `tensor.pad`: `low` and `high` elements of `fill` before and behind each axis."""

    inner: Activation
    low: tuple[int, ...]
    high: tuple[int, ...]
    fill: Constant


@dataclass(frozen=True, eq=False)
class Empty:
    """`tensor.empty`: nothing may read its elements."""


Value = Constant | Activation | Padded | Empty


def constant_of(attribute: Attribute) -> Constant:
    """Return the numbers of an `arith.constant`.

    Raises:
        ValueError: the attribute holds no plain numbers, or its type is neither integer, index nor `f32`.
    """
    if isa(attribute, IntegerAttr):
        return Constant(np.asarray(attribute.value.data, np.int64))
    if isa(attribute, FloatAttr):
        _expect_number(attribute.type)
        return Constant(np.asarray(attribute.value.data, np.float32))
    if not isa(attribute, DenseIntOrFPElementsAttr):
        raise ValueError(f"the value is no list of numbers ({attribute.name})")
    element: Attribute = attribute.type.element_type
    _expect_number(element)
    shape, bits = attribute.get_shape(), register_bits(element)
    if bits is None:
        flat = np.frombuffer(attribute.data.data, np.dtype("<f4"))
    elif bits in (8, 16, 32, 64):
        flat = np.frombuffer(attribute.data.data, np.dtype(f"<i{bits // 8}")).astype(np.int64)
    else:
        flat = np.array(attribute.get_values(), np.int64)
    return Constant(np.broadcast_to(flat, shape) if flat.size == 1 else flat.reshape(shape))


def _expect_number(kind: Attribute) -> None:
    if not isinstance(kind, IndexType | Float32Type) and register_bits(kind) is None:
        raise ValueError(f"{kind} is not supported: integers and f32 are")


def register_bits(kind: Attribute) -> int | None:
    """Return the width of an integer type in bits, 64 for `index`, None for other types."""
    if isa(kind, IntegerType):
        return kind.width.data
    return 64 if isinstance(kind, IndexType) else None


def tensor_shape(value: SSAValue) -> tuple[int, ...]:
    """Return the shape of a tensor value, empty for a scalar; dynamic sizes are -1."""
    return value.type.get_shape() if isa(value.type, TensorType[Attribute]) else ()


def scalar_type(kind: Attribute) -> Attribute:
    """Return the element type of a tensor type, or the type itself."""
    return kind.element_type if isa(kind, TensorType[Attribute]) else kind


def fits(interval: Interval, bits: int) -> bool:
    """Return whether a register of `bits` bits holds all integers of the interval, as signed or as unsigned numbers."""
    half = 1 << (bits - 1)
    return (-half <= interval.low and interval.high < half) or (interval.low >= 0 and interval.high < 2 * half)
