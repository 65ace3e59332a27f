"""Element types of the `imc` dialect: integers that carry their range, and 32-bit floating point.

`siN` holds -2**(N-1) ... 2**(N-1)-1 and `uiN` holds 0 ... 2**N-1. Signless integers are storage types of
constants only.
Axis 0 of every activation tensor is the batch and is dynamic.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from xdsl.dialects.builtin import DYNAMIC_INDEX, Float32Type, IntegerType, Signedness, TensorType, f32
from xdsl.ir import Attribute, SSAValue
from xdsl.utils.exceptions import VerifyException

MAX_INTEGER_BITS = 62

ElementType = IntegerType | Float32Type


def integer_type(bits: int, *, signed: bool) -> IntegerType:
    """Return `si<bits>` or `ui<bits>`.

    Raises:
        ValueError: if `bits` is not in 1 ... 62.
    """
    if not 1 <= bits <= MAX_INTEGER_BITS:
        raise ValueError(f"integer width {bits} is outside 1 ... {MAX_INTEGER_BITS} bits")
    return IntegerType(bits, Signedness.SIGNED if signed else Signedness.UNSIGNED)


def smallest_integer_type(low: int, high: int) -> IntegerType:
    """Return the narrowest type that holds every integer of `low ... high`; unsigned when `low` is not negative."""
    if low > high:
        raise ValueError(f"empty range {low} ... {high}")
    if low >= 0:
        return integer_type(max(1, high.bit_length()), signed=False)
    return integer_type(max((-low - 1).bit_length(), max(high, 0).bit_length()) + 1, signed=True)


def is_signed(element: IntegerType) -> bool:
    """Return whether `element` is `siN`.

    Raises:
        ValueError: if the type is signless, which only storage types of constants are.
    """
    if element.signedness.data is Signedness.SIGNLESS:
        raise ValueError(f"{element} carries no sign; the dialect uses siN and uiN")
    return element.signedness.data is Signedness.SIGNED


def value_range(element: IntegerType) -> tuple[int, int]:
    """Return the least and the greatest integer of `siN` or `uiN`."""
    bits = element.width.data
    if is_signed(element):
        return -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    return 0, (1 << bits) - 1


def parse_element_type(text: str) -> ElementType:
    """Return the type written as `si4`, `ui8` or `f32`.

    Raises:
        ValueError: if the text is none of these.
    """
    if text == "f32":
        return f32
    if text[:2] in ("si", "ui") and text[2:].isdigit():
        return integer_type(int(text[2:]), signed=text[0] == "s")
    raise ValueError(f"'{text}' is not an element type; write siN or uiN with N in 1 ... {MAX_INTEGER_BITS}, or f32")


def tensor_type(value: SSAValue | Attribute) -> TensorType[ElementType]:
    """Return the tensor type of a value.

    Raises:
        VerifyException: if the value is not a tensor of `siN`, `uiN` or `f32`.
    """
    kind = value.type if isinstance(value, SSAValue) else value
    # Not `isa`, which builds a constraint from the hint: every pass asks this for every value, many times.
    if isinstance(kind, TensorType):
        tensor = cast("TensorType[Attribute]", kind)
        if isinstance(tensor.element_type, IntegerType | Float32Type):
            return cast("TensorType[ElementType]", tensor)
    raise VerifyException(f"expected a tensor of siN, uiN or f32, got {kind}")


def shape_of(value: SSAValue | Attribute) -> tuple[int, ...]:
    """Return the shape of a tensor value; the dynamic batch axis is `DYNAMIC_INDEX`."""
    return tensor_type(value).get_shape()


def shape_text(shape: Sequence[int]) -> str:
    """Return a shape as types spell it: `?x3x32x32`."""
    return "x".join("?" if size == DYNAMIC_INDEX else str(size) for size in shape) or "scalar"


def element_type_of(value: SSAValue | Attribute) -> ElementType:
    """Return the element type of a tensor value."""
    return tensor_type(value).element_type


def integer_element_of(value: SSAValue | Attribute) -> IntegerType:
    """Return the integer element type of a tensor value.

    Raises:
        VerifyException: if the elements are `f32`.
    """
    element = element_type_of(value)
    if not isinstance(element, IntegerType):
        raise VerifyException(f"expected a tensor of integers, got {element}")
    return element


def is_float(value: SSAValue | Attribute) -> bool:
    """Return whether a tensor value holds `f32`."""
    return isinstance(element_type_of(value), Float32Type)


def batched(shape_per_image: Sequence[int], element: ElementType) -> TensorType[ElementType]:
    """Return the type of an activation tensor: the dynamic batch axis followed by `shape_per_image`."""
    return TensorType(element, [DYNAMIC_INDEX, *shape_per_image])


def with_element(value: SSAValue | Attribute, element: ElementType) -> TensorType[ElementType]:
    """Return the type of `value` with another element type."""
    return TensorType(element, shape_of(value))


def broadcast_shapes(left: Sequence[int], right: Sequence[int]) -> tuple[int, ...]:
    """Return the numpy broadcast of two shapes, where the dynamic batch meets only itself or 1.

    Raises:
        VerifyException: if the shapes do not broadcast.
    """
    rank = max(len(left), len(right))
    padded_left = [1] * (rank - len(left)) + list(left)
    padded_right = [1] * (rank - len(right)) + list(right)
    result: list[int] = []
    for a, b in zip(padded_left, padded_right, strict=True):
        if a != b and 1 not in (a, b):
            raise VerifyException(f"shapes {shape_text(left)} and {shape_text(right)} do not broadcast")
        result.append(b if a == 1 else a)
    return tuple(result)
