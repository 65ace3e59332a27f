"""Appends ops of the `imc` dialect to the new function, on behalf of one source operation after the other."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
from xdsl.dialects.builtin import LocationAttr, NameLoc, UnknownLoc, f32
from xdsl.ir import Block, Operation, SSAValue

from imcflow.dialect.constants import float_constant, integer_constant
from imcflow.dialect.locations import node_location
from imcflow.dialect.ops_elementwise import CastOp
from imcflow.dialect.ops_shape import PadOp, ReshapeOp, TransposeOp
from imcflow.dialect.types import ElementType, smallest_integer_type
from imcflow.errors import ModelError
from imcflow.lowering.linalg.values import Activation, Constant, Padded, Value
from imcflow.lowering.onnx.ranges import Interval

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


class Builder:
    """Appends ops to `block`; every op carries the name of its source operation as location.

    A source operation is called by its location where that is a name, else by its kind and a running number.
    """

    def __init__(self, block: Block) -> None:
        self.block = block
        self.source_name = "function"
        self._location: LocationAttr = node_location(self.source_name)
        self._counts: dict[str, int] = {}

    def start(self, source: Operation) -> None:
        """Say on behalf of which operation the next ops are emitted."""
        kind = source.name.rpartition(".")[2]
        if isinstance(source.location, NameLoc):
            self._location, self.source_name = source.location, source.location.desc.data
            return
        number = self._counts.get(kind, 0)
        self._counts[kind] = number + 1
        self.source_name = f"{kind}_{number}"
        self._location = node_location(self.source_name)
        if not isinstance(source.location, UnknownLoc):
            self._location = source.location

    def refuse(self, reason: str) -> NoReturn:
        """Raise `ModelError` that names the source operation."""
        raise ModelError(f"node '{self.source_name}': {reason}")

    def emit(self, op: Operation) -> SSAValue:
        """Append an op and return its result."""
        op.location = self._location
        self.block.add_op(op)
        op.verify(verify_nested_ops=False)
        return op.results[0]

    def element(self, interval: Interval | None) -> ElementType:
        """Return the narrowest type that holds the interval; `f32` for None."""
        if interval is None:
            return f32
        try:
            return smallest_integer_type(interval.low, interval.high)
        except ValueError as error:
            self.refuse(str(error))

    def constant(self, array: NDArray[Any]) -> SSAValue:
        """Emit an integer or `f32` constant; -0.0 becomes 0."""
        if array.dtype.kind == "f":
            return self.emit(float_constant(array.astype(np.float32) + np.float32(0)))
        return self.emit(integer_constant(np.ascontiguousarray(array)))

    def operand(self, value: Constant | Activation) -> SSAValue:
        """Return a value as an operand."""
        return self.settled(value).value if isinstance(value, Activation) else self.constant(value.array)

    def activation(self, value: Value, what: str) -> Activation:
        """Return a value that must be an activation; explicit padding becomes `imc.pad`."""
        if isinstance(value, Padded):
            return self._pad(value)
        if not isinstance(value, Activation):
            self.refuse(f"{what} must depend on an argument of the function")
        return value

    def known(self, value: Value, what: str) -> Constant | Activation:
        """Return a value whose elements are defined; explicit padding becomes `imc.pad`."""
        if isinstance(value, Constant | Activation):
            return value
        return self.activation(value, what)

    def reshaped(self, value: Activation, shape_per_image: Sequence[int]) -> Activation:
        """Emit `imc.reshape` unless the shape stays."""
        if value.shape[1:] == tuple(shape_per_image):
            return value
        settled = self.settled(value)
        return Activation(self.emit(ReshapeOp(settled.value, shape_per_image)), value.interval)

    def transposed(self, value: Activation, permutation: Sequence[int]) -> Activation:
        """Return the value with its axes in another order; the transposition is emitted when it is needed."""
        if permutation[0] != 0:
            self.refuse("moves axis 0, the batch, of an activation")
        order = tuple(value.order[axis] if value.order else axis for axis in permutation)
        return replace(value, order=() if list(order) == sorted(order) else order)

    def settled(self, value: Activation) -> Activation:
        """Emit `imc.transpose` where a transposition waits."""
        if not value.order:
            return value
        return Activation(self.emit(TransposeOp(value.value, value.order)), value.interval)

    def _pad(self, value: Padded) -> Activation:
        interval = value.inner.interval
        if interval is None:
            if value.fill.array.any():
                self.refuse("explicit padding of f32 must be 0")
            fill, padded = 0, None
        else:
            fill = int(value.fill.array)
            padded = interval.union(Interval(fill, fill))
        source = self.settled(value.inner).value
        if padded is not None and isinstance(interval, Interval) and padded != interval:
            source = self.emit(CastOp(source, self.element(padded)))
        return Activation(self.emit(PadOp(source, [*value.low, *value.high], value=fill)), padded)


def kind_of(value: Constant | Activation) -> str:
    """Return "float" or "integer"."""
    if isinstance(value, Constant):
        return "float" if value.array.dtype.kind == "f" else "integer"
    return "float" if value.interval is None else "integer"


def sweep(block: Block) -> None:
    """Erase operations whose results nothing reads."""
    for op in reversed(list(block.ops)):
        if op.results and not any(result.first_use for result in op.results):
            op.detach()
            op.erase()
