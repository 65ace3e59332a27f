"""Checks of the arrays that a user hands in, and their conversion to storage types."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from imcflow.errors import InputError
from imcflow.runtime.execution.storage import Tensor, storage_dtype
from imcflow.runtime.program import ElementType, PortInfo, Program, TensorInfo

if TYPE_CHECKING:
    from imcflow.runtime.execution.blocks import BlockPool

PART_ELEMENTS = 1 << 17  # converted and compared at once: they stay in the cache


def checked_inputs(
    program: Program, inputs: Mapping[str, NDArray[Any]], pool: BlockPool | None = None
) -> tuple[dict[int, Tensor], int]:
    """Return the inputs by tensor id, in storage types, and the batch size.

    Args:
        program: whose inputs they are.
        inputs: arrays by name.
        pool: workers that convert large ones; None: the calling thread does.

    Raises:
        InputError: an array is missing or unknown, or its shape, type or range does not fit.
    """
    names = [port.name for port in program.inputs]
    for name in inputs:
        if name not in names:
            raise InputError(f"input '{name}' does not exist; the program takes {', '.join(names)}")
    tensors: dict[int, Tensor] = {}
    batch: int | None = None
    for port in program.inputs:
        if port.name not in inputs:
            raise InputError(f"input '{port.name}' is missing; the program takes {', '.join(names)}")
        info = program.tensors[port.tensor]
        array = np.asarray(inputs[port.name])
        _check_shape(port, info, array)
        if batch is not None and array.shape[0] != batch:
            raise InputError(f"input '{port.name}' has a batch of {array.shape[0]}, the inputs before it have {batch}")
        batch = int(array.shape[0])
        tensors[port.tensor] = _converted(port, info, array, pool)
    return tensors, batch or 0


def _same_integers(array: NDArray[np.generic], element: ElementType, pool: BlockPool | None) -> Tensor | None:
    """Return the values as they are stored, None if some are no such integers: a number that was cut differs."""
    dtype = storage_dtype(element)
    stored = array
    if array.dtype != dtype:
        stored, differing = np.empty(array.shape, dtype), list[int]()
        part = max(1, PART_ELEMENTS // max(1, prod(array.shape[1:])))

        def convert(first: int, last: int) -> None:
            with np.errstate(invalid="ignore"):
                np.copyto(stored[first:last], array[first:last], casting="unsafe")
            if not np.array_equal(stored[first:last], array[first:last]):
                differing.append(first)

        if pool is None:
            for first in range(0, len(array), part):
                convert(first, first + part)
        else:
            pool.run(len(array), part, [convert] * pool.threads, "inputs")
        if differing:
            return None
    limits = np.iinfo(dtype)
    all_fit = element.minimum <= limits.min and limits.max <= element.maximum
    if not all_fit and stored.size and not (stored.min() >= element.minimum and stored.max() <= element.maximum):
        return None
    return stored


def _check_shape(port: PortInfo, info: TensorInfo, array: NDArray[Any]) -> None:
    if array.ndim != len(info.shape) + 1 or array.shape[1:] != info.shape:
        wanted = ", ".join(["N", *(str(size) for size in info.shape)])
        raise InputError(f"input '{port.name}' has shape {list(array.shape)}, expected [{wanted}]")


def _converted(port: PortInfo, info: TensorInfo, array: NDArray[Any], pool: BlockPool | None) -> Tensor:
    kind = np.dtype(port.model_dtype).kind
    accepted = "iu" if kind in "iu" else f"iu{kind}"
    if array.dtype.kind not in accepted:
        raise InputError(f"input '{port.name}' has type {array.dtype}, expected {port.model_dtype}")
    element = info.element
    if element.is_float:
        return array.astype(np.float32, copy=False)
    stored = _same_integers(array, element, pool)
    if stored is not None:
        return stored
    if array.size:
        lowest, highest = array.min(), array.max()
        # NaN fails every comparison, so the test is for being inside.
        if not (lowest >= element.minimum and highest <= element.maximum):
            raise InputError(
                f"input '{port.name}' holds values from {lowest} to {highest}, "
                f"its type {info.dtype} holds {element.minimum} to {element.maximum}"
            )
    stored = array.astype(storage_dtype(element), copy=False)
    if array.dtype.kind == "f" and not np.array_equal(stored, array):
        raise InputError(f"input '{port.name}' holds fractions, its type {info.dtype} holds integers only")
    return stored
