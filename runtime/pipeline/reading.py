"""How an operation reads its operands when it computes one pixel at a time: windows, single pixels, or not at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from imcflow.runtime.program import Json

Shape = tuple[int, ...]

_POINTWISE = frozenset(
    {
        "add",
        "sub",
        "mul",
        "div",
        "pow",
        "greater",
        "greater_equal",
        "relu",
        "neg",
        "abs",
        "sign",
        "cast",
        "bipolar",
        "sqrt",
        "erf",
        "sigmoid",
        "clamp",
        "clip",
        "round",
        "quantize",
        "dequantize",
        "requantize",
        "threshold",
        "batch_norm",
    }
)
_ALONG_CHANNELS = frozenset(("softmax", "log_softmax", "concat", "slice", "top_k"))
_PER_CHANNEL_OPERANDS = frozenset(("threshold", "batch_norm"))
"""Operations whose constants are tables with one row per channel, not maps."""
POOLS = frozenset(("max_pool", "sum_pool", "avg_pool"))


@dataclass(frozen=True, slots=True)
class Reading:
    """The window of a tensor that one pixel of a result needs.

    Attributes:
        kernel: (rows, columns) of elements.
        strides: from one window to the next.
        pads: (top, left).
        dilations: from one element to the next.
    """

    kernel: tuple[int, int] = (1, 1)
    strides: tuple[int, int] = (1, 1)
    pads: tuple[int, int] = (0, 0)
    dilations: tuple[int, int] = (1, 1)

    @property
    def size(self) -> tuple[int, int]:
        """Pixels that the window spans, gaps of dilation included."""
        rows, columns = ((taps - 1) * dilation + 1 for taps, dilation in zip(self.kernel, self.dilations, strict=True))
        return rows, columns

    @property
    def is_pixel(self) -> bool:
        """Whether the pixel at the same place is all that is read."""
        return self == PIXEL


PIXEL = Reading()


def digital_reading(
    op: str, attributes: Mapping[str, Json], tensors: Sequence[Shape], constants: Sequence[Shape], result: Shape
) -> Reading | None:
    """Return how an operation of the digital unit reads its tensors, all in the same way; None if it cannot stream.

    Args:
        op: mnemonic.
        attributes: complete attributes.
        tensors: shapes per image of the operands that are tensors.
        constants: shapes of the operands that are constants.
        result: shape per image of the result.
    """
    if len(result) not in (1, 3) or any(len(shape) not in (1, 3) for shape in tensors) or not tensors:
        return None
    source, target = _map(tensors[0]), _map(result)
    if op in POOLS:
        return _pool_reading(op, attributes, tensors[0], result)
    if op == "reduce_mean":
        whole = len(tensors[0]) == 3 and sorted(cast("list[int]", attributes["axes"])) == [2, 3]
        return Reading(source, source) if whole else None
    if op == "reshape":
        if source == target == (1, 1):
            return PIXEL
        return Reading(source, source) if target == (1, 1) and len(result) == 1 else None
    if any(len(shape) != len(result) or _map(shape) != target for shape in tensors):
        return None
    if op in _ALONG_CHANNELS:
        return PIXEL if attributes["axis"] == 1 else None
    if op not in _POINTWISE:
        return None
    is_map = op not in _PER_CHANNEL_OPERANDS and target != (1, 1)
    if is_map and any(size != 1 for shape in constants for size in shape[-2:]):
        return None
    return PIXEL


def _map(shape: Shape) -> tuple[int, int]:
    return (shape[1], shape[2]) if len(shape) == 3 else (1, 1)


def _pool_reading(op: str, attributes: Mapping[str, Json], source: Shape, result: Shape) -> Reading | None:
    kernel, strides, dilations = (
        cast("tuple[int, int]", tuple(cast("list[int]", attributes[name])))
        for name in ("kernel", "strides", "dilations")
    )
    top, left, bottom, right = cast("list[int]", attributes["pads"])
    reading = Reading(kernel, strides, (top, left), dilations)
    if any(pad >= size for pad, size in zip((top, left), reading.size, strict=True)):
        return None
    if op == "avg_pool":  # its divisor counts the elements inside the map, so windows must not leave it
        reach = [
            (count - 1) * stride + size for count, stride, size in zip(result[1:], strides, reading.size, strict=True)
        ]
        inside = all(end <= extent for end, extent in zip(reach, source[1:], strict=True))
        return reading if inside and not any((top, left, bottom, right)) else None
    return reading
