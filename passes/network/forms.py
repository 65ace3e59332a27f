"""Real tensors as `scale * (integers - zero)`: the form that `imc-lift-scales` carries through the network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xdsl.dialects.builtin import IntegerType
from xdsl.ir import SSAValue

from imcflow.dialect.constants import float_constant, integer_constant
from imcflow.dialect.ops_elementwise import CastOp
from imcflow.dialect.ops_quantise import DequantizeOp
from imcflow.dialect.types import element_type_of, is_float, shape_of, smallest_integer_type, value_range
from imcflow.passes.network.constants import constant_value, is_uniform, per_image
from imcflow.passes.network.edit import Editor


@dataclass(frozen=True, eq=False)
class Quantised:
    """The real tensor `scale * (integers - zero)`.

    Attributes:
        integers: integer tensor.
        scale: float64, one axis per axis of an image (no batch), size 1 where it does not change.
        zero: int64, shaped like `scale`.
    """

    integers: SSAValue
    scale: NDArray[np.float64]
    zero: NDArray[np.int64]

    @property
    def range(self) -> tuple[int, int]:
        """Least and greatest integer of the type of `integers`."""
        return range_of(self.integers)

    @property
    def is_per_tensor(self) -> bool:
        """Whether one scale and one zero point hold for the whole tensor."""
        return is_uniform(self.scale) and is_uniform(self.zero)


FormOf = Callable[[SSAValue], Quantised | None]
"""How a rewrite asks for the form of an operand: None if the operand has none."""


def range_of(value: SSAValue) -> tuple[int, int]:
    """Return the least and the greatest integer of the type of a value."""
    element = element_type_of(value)
    if not isinstance(element, IntegerType):
        raise ValueError(f"{element} is no integer type")
    return value_range(element)


def direct_form(value: SSAValue) -> Quantised | None:
    """Return the form of a value that `imc.dequantize` or a cast of integers to `f32` defines."""
    op = value.owner
    if isinstance(op, CastOp) and is_float(op.result) and not is_float(op.input):
        ones = np.ones((1,) * (len(shape_of(value)) - 1))
        return Quantised(op.input, ones, np.zeros_like(ones, np.int64))
    if not isinstance(op, DequantizeOp):
        return None
    scale, zero = constant_value(op.scale), constant_value(op.zero_point)
    if scale is None or zero is None:
        return None
    rank = len(shape_of(value))
    image_scale, image_zero = per_image(scale.astype(np.float64), rank), per_image(zero, rank)
    if image_scale is None or image_zero is None:
        return None
    return Quantised(op.input, image_scale, image_zero)


def parameter_shape(array: NDArray[Any]) -> NDArray[Any]:
    """Return the array without leading axes of size 1: the shortest shape that broadcasts the same way."""
    lead = next((axis for axis, size in enumerate(array.shape) if size != 1), array.ndim)
    return array.reshape(array.shape[lead:])


def materialise(editor: Editor, form: Quantised) -> SSAValue:
    """Insert `imc.dequantize` and return the real tensor, with its scale rounded to float32."""
    scale = editor.value(float_constant(parameter_shape(form.scale.astype(np.float32))))
    zero = editor.value(integer_constant(parameter_shape(form.zero)))
    return editor.value(DequantizeOp(form.integers, scale, zero))


def widened(editor: Editor, value: SSAValue, low: int, high: int) -> SSAValue:
    """Return `value` in a type that also holds `low ... high`, cast if its own does not."""
    least, greatest = range_of(value)
    if least <= low and high <= greatest:
        return value
    return editor.value(CastOp(value, smallest_integer_type(min(least, low), max(greatest, high))))
