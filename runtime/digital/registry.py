"""Which function computes which operation of the digital unit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from imcflow.runtime.program import ElementType, Json

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Call:
    """One operation on one chunk of images.

    Attributes:
        operands: tensors [images, ...] and constants in the types they are stored in.
        attributes: complete attributes (`imcflow.runtime.digital_ops.complete_attributes`).
        element: element type of the result.
        dtype: numpy type of the result.
        shape: shape of the result, batch included.
    """

    operands: Sequence[Array]
    attributes: Mapping[str, Json]
    element: ElementType
    dtype: np.dtype[Any]
    shape: tuple[int, ...]

    @property
    def first(self) -> Array:
        """The first operand."""
        return self.operands[0]

    def integer(self, name: str) -> int:
        """Return an integer attribute."""
        return cast("int", self.attributes[name])

    def integers(self, name: str) -> list[int]:
        """Return an attribute that is a list of integers."""
        return list(cast("Sequence[int]", self.attributes[name]))

    def number(self, name: str) -> np.float32:
        """Return a float attribute, rounded to float32."""
        return np.float32(cast("float", self.attributes[name]))

    def flag(self, name: str) -> bool:
        """Return whether a flag or 0/1 attribute is set."""
        return bool(self.attributes[name])

    def text(self, name: str) -> str:
        """Return a text attribute."""
        return cast("str", self.attributes[name])


Operation = Callable[[Call], Array]
"""Returns the result [images, ...]; any numeric type whose values fit the result's element type."""

OPERATIONS: dict[str, Operation] = {}

MOVES_ONLY = frozenset({"reshape", "transpose", "slice"})
"""Operations that give a view of their operand."""

ONE_PASS = frozenset({"add", "sub", "neg", "relu", "sign", "cast", "clamp"})
"""Operations that do so little per element that they wait for memory, which a second core does not make faster."""

F = TypeVar("F", bound=Operation)


def operation(*names: str) -> Callable[[F], F]:
    """Register the decorated function under the mnemonics of the operations it computes."""

    def register(function: F) -> F:
        for name in names:
            OPERATIONS[name] = function
        return function

    return register


def is_float(array: Array) -> bool:
    """Return whether an array holds floating-point numbers."""
    return array.dtype.kind == "f"
