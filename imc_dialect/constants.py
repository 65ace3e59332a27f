"""Constants: byte-backed dense attributes read and built as numpy arrays, without element lists."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from xdsl.dialects.builtin import (
    BytesAttr,
    DenseIntOrFPElementsAttr,
    Float32Type,
    IntegerType,
    TensorType,
    f32,
)
from xdsl.ir import SSAValue

from imcflow.dialect.types import ElementType, is_signed, smallest_integer_type, value_range

if TYPE_CHECKING:
    import numpy as np

    from imcflow.dialect.ops_network import ConstantOp

STORAGE_BITS = (8, 16, 32, 64)


def storage_type(element: ElementType) -> IntegerType | Float32Type:
    """Return the signless integer (or `f32`) in which a constant of `element` is stored.

    Unsigned elements take one bit more, because storage is read as two's complement.
    """
    if isinstance(element, Float32Type):
        return f32
    needed = element.width.data + (0 if is_signed(element) else 1)
    return IntegerType(next(bits for bits in STORAGE_BITS if bits >= needed))


def dense(array: np.ndarray[Any, Any], element: ElementType) -> DenseIntOrFPElementsAttr[Any]:
    """Return the dense attribute that stores `array` (integers or float32) for the given element type.

    Raises:
        ValueError: if an integer of the array lies outside the element type.
    """
    import numpy as np

    storage = storage_type(element)
    if isinstance(element, IntegerType):
        low, high = value_range(element)
        if array.size and (int(array.min()) < low or int(array.max()) > high):
            raise ValueError(f"constant with values {int(array.min())} ... {int(array.max())} does not fit {element}")
        dtype = np.dtype(f"<i{cast(IntegerType, storage).width.data // 8}")
    else:
        dtype = np.dtype("<f4")
    data = np.ascontiguousarray(array, dtype=dtype).tobytes()
    return DenseIntOrFPElementsAttr(TensorType(storage, array.shape), BytesAttr(data))


def array_of(attribute: DenseIntOrFPElementsAttr[Any]) -> np.ndarray[Any, Any]:
    """Return the values of a dense attribute with their shape; integers as stored (int8 ... int64), no copy."""
    import numpy as np

    storage = attribute.type.element_type
    dtype = np.dtype("<f4") if isinstance(storage, Float32Type) else np.dtype(f"<i{storage.width.data // 8}")
    flat = np.frombuffer(attribute.data.data, dtype)
    return flat.reshape(attribute.get_shape())


def constant_op(value: SSAValue) -> ConstantOp | None:
    """Return the `imc.constant` that defines `value`, or None."""
    from imcflow.dialect.ops_network import ConstantOp

    owner = value.owner
    return owner if isinstance(owner, ConstantOp) else None


def constant_array(value: SSAValue) -> np.ndarray[Any, Any] | None:
    """Return the array behind `value` if an `imc.constant` defines it: int64 for integers, float32 otherwise."""
    import numpy as np

    op = constant_op(value)
    if op is None:
        return None
    array = array_of(op.value)
    return array if array.dtype.kind == "f" else array.astype(np.int64)


def integer_constant(array: np.ndarray[Any, Any], element: IntegerType | None = None) -> ConstantOp:
    """Return an `imc.constant` of integers; without `element`, the narrowest type that holds the values."""
    from imcflow.dialect.ops_network import ConstantOp

    if element is None:
        low, high = (int(array.min()), int(array.max())) if array.size else (0, 0)
        element = smallest_integer_type(low, high)
    return ConstantOp(dense(array, element), element)


def float_constant(array: np.ndarray[Any, Any]) -> ConstantOp:
    """Return an `imc.constant` of `f32`."""
    from imcflow.dialect.ops_network import ConstantOp

    return ConstantOp(dense(array, f32), f32)
