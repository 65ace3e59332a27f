"""Which function gives the meaning of which op."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from numpy.typing import NDArray
from xdsl.ir import Operation

Array = NDArray[Any]
"""`int64` for tensors of integers, `float32` for tensors of `f32`."""

Meaning = Callable[..., Array]
"""Called with the op and the arrays of its operands; returns the array of its only result."""

MEANINGS: dict[type[Operation], Meaning] = {}

F = TypeVar("F", bound=Meaning)


def meaning(kind: type[Operation]) -> Callable[[F], F]:
    """Register the decorated function as the meaning of the ops of class `kind`."""

    def register(function: F) -> F:
        MEANINGS[kind] = function
        return function

    return register
