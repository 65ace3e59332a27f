"""How tensors are held between steps: the narrowest numpy type of their element type."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from imcflow.runtime.program import ElementType

Tensor = NDArray[Any]
"""[images, ...shape], of `storage_dtype`."""


def storage_dtype(element: ElementType) -> np.dtype[Any]:
    """Return the narrowest numpy type that holds every value of an element type."""
    if element.is_float:
        return np.dtype(np.float32)
    for size in (8, 16, 32):
        if element.bits <= size:
            return np.dtype(f"{'int' if element.signed else 'uint'}{size}")
    return np.dtype(np.int64)
